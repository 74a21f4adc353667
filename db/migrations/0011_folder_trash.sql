ALTER TABLE "folders" ADD COLUMN "trashed_name" text;--> statement-breakpoint
ALTER TABLE "folders" ADD COLUMN "purge_at" timestamp with time zone;--> statement-breakpoint
CREATE INDEX "folders_trash_idx" ON "folders" USING btree ("owner_id","purge_at") WHERE state = 'trashed';--> statement-breakpoint
CREATE INDEX "folders_expiry_idx" ON "folders" USING btree ("purge_at") WHERE state = 'trashed';