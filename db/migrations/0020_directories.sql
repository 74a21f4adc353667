ALTER TABLE "copies" ADD COLUMN "directories" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "folders" ADD COLUMN "directories" bigint DEFAULT 0 NOT NULL;