ALTER TABLE "folders" ADD COLUMN "usage_mode" text DEFAULT 'general' NOT NULL;--> statement-breakpoint
ALTER TABLE "folders" ADD COLUMN "cloneable" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "folders" ADD COLUMN "permission" text DEFAULT 'rw' NOT NULL;