CREATE TABLE "resumable_uploads" (
	"upload_id" uuid PRIMARY KEY NOT NULL,
	"shape" text NOT NULL,
	"path" text NOT NULL,
	"length_bytes" bigint,
	"offset_bytes" bigint DEFAULT 0 NOT NULL,
	"metadata" text NOT NULL,
	"segments" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"ordinals" integer DEFAULT 0 NOT NULL,
	"fence" integer DEFAULT 0 NOT NULL,
	"writer_until" timestamp with time zone,
	"final_id" uuid,
	"part_ids" jsonb
);
--> statement-breakpoint
CREATE TABLE "transfer_tokens" (
	"token_hash" text PRIMARY KEY NOT NULL,
	"verb" text NOT NULL,
	"folder_id" uuid NOT NULL,
	"user_id" uuid NOT NULL,
	"paths" jsonb NOT NULL,
	"is_archive" boolean DEFAULT false NOT NULL,
	"file_name" text,
	"upload_id" uuid,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "upload_files" ALTER COLUMN "sha256" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "upload_files" ALTER COLUMN "crc32" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "resumable_uploads" ADD CONSTRAINT "resumable_uploads_upload_id_uploads_id_fk" FOREIGN KEY ("upload_id") REFERENCES "public"."uploads"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "transfer_tokens" ADD CONSTRAINT "transfer_tokens_folder_id_folders_id_fk" FOREIGN KEY ("folder_id") REFERENCES "public"."folders"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "transfer_tokens" ADD CONSTRAINT "transfer_tokens_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "transfer_tokens" ADD CONSTRAINT "transfer_tokens_upload_id_uploads_id_fk" FOREIGN KEY ("upload_id") REFERENCES "public"."uploads"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "transfer_tokens_expires_idx" ON "transfer_tokens" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "transfer_tokens_upload_idx" ON "transfer_tokens" USING btree ("upload_id");