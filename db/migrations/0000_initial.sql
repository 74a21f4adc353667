CREATE TABLE "archives" (
	"id" uuid PRIMARY KEY NOT NULL,
	"folder_id" uuid NOT NULL,
	"actor_id" uuid NOT NULL,
	"volume" text NOT NULL,
	"format" text NOT NULL,
	"file_name" text NOT NULL,
	"size_bytes" bigint NOT NULL,
	"sha256" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "folders" (
	"id" uuid PRIMARY KEY NOT NULL,
	"owner_id" uuid NOT NULL,
	"volume" text NOT NULL,
	"state" text DEFAULT 'active' NOT NULL,
	"quota_bytes" bigint NOT NULL,
	"quota_files" bigint NOT NULL,
	"used_bytes" bigint DEFAULT 0 NOT NULL,
	"used_files" bigint DEFAULT 0 NOT NULL,
	"trash_bytes" bigint DEFAULT 0 NOT NULL,
	"trash_files" bigint DEFAULT 0 NOT NULL,
	"reserved_bytes" bigint DEFAULT 0 NOT NULL,
	"reserved_files" bigint DEFAULT 0 NOT NULL,
	"mutation_seq" bigint DEFAULT 0 NOT NULL,
	"usage_as_of" timestamp with time zone DEFAULT now() NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"deleted_at" timestamp with time zone,
	CONSTRAINT "folders_counters_check" CHECK (used_bytes >= 0 AND used_files >= 0 AND trash_bytes >= 0 AND trash_files >= 0
        AND reserved_bytes >= 0 AND reserved_files >= 0)
);
--> statement-breakpoint
CREATE TABLE "invitations" (
	"id" uuid PRIMARY KEY NOT NULL,
	"folder_id" uuid NOT NULL,
	"inviter_id" uuid NOT NULL,
	"invitee_id" uuid NOT NULL,
	"permission" text NOT NULL,
	"state" text DEFAULT 'pending' NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"answered_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "jobs" (
	"id" uuid PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"volume" text NOT NULL,
	"folder_id" uuid,
	"actor_id" uuid,
	"payload" jsonb NOT NULL,
	"state" text DEFAULT 'queued' NOT NULL,
	"priority" integer DEFAULT 0 NOT NULL,
	"attempt" integer DEFAULT 0 NOT NULL,
	"attempts_max" integer NOT NULL,
	"fence" bigint DEFAULT 0 NOT NULL,
	"lease_until" timestamp with time zone,
	"lease_owner" text,
	"next_dispatch_at" timestamp with time zone DEFAULT now() NOT NULL,
	"dispatch_count" integer DEFAULT 0 NOT NULL,
	"cancel_requested_at" timestamp with time zone,
	"dedupe_key" text,
	"progress" jsonb,
	"checkpoint" jsonb,
	"result" jsonb,
	"error_code" text,
	"error_detail" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"started_at" timestamp with time zone,
	"finished_at" timestamp with time zone,
	CONSTRAINT "jobs_attempt_check" CHECK (attempt >= 0 AND attempts_max >= 1)
);
--> statement-breakpoint
CREATE TABLE "keypairs" (
	"access_key" text PRIMARY KEY NOT NULL,
	"user_id" uuid NOT NULL,
	"secret_sealed" "bytea" NOT NULL,
	"is_active" boolean DEFAULT true NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "members" (
	"folder_id" uuid NOT NULL,
	"user_id" uuid NOT NULL,
	"name" text NOT NULL,
	"permission" text NOT NULL,
	"is_owner" boolean NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "members_folder_id_user_id_pk" PRIMARY KEY("folder_id","user_id")
);
--> statement-breakpoint
CREATE TABLE "path_claims" (
	"folder_id" uuid NOT NULL,
	"path" text NOT NULL,
	"job_id" uuid NOT NULL,
	CONSTRAINT "path_claims_folder_id_path_pk" PRIMARY KEY("folder_id","path")
);
--> statement-breakpoint
CREATE TABLE "policies" (
	"name" text PRIMARY KEY NOT NULL,
	"folders_max" integer DEFAULT 100 NOT NULL,
	"folder_bytes_max" bigint DEFAULT 1073741824 NOT NULL,
	"folder_files_max" bigint DEFAULT 1000 NOT NULL
);
--> statement-breakpoint
CREATE TABLE "settings" (
	"name" text PRIMARY KEY NOT NULL,
	"value" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "upload_files" (
	"upload_id" uuid NOT NULL,
	"ordinal" integer NOT NULL,
	"path" text NOT NULL,
	"size_bytes" bigint NOT NULL,
	"sha256" text NOT NULL,
	"crc32" bigint NOT NULL,
	"inode" text NOT NULL,
	"replaced_bytes" bigint,
	"replaced_files" integer,
	CONSTRAINT "upload_files_upload_id_ordinal_pk" PRIMARY KEY("upload_id","ordinal")
);
--> statement-breakpoint
CREATE TABLE "uploads" (
	"id" uuid PRIMARY KEY NOT NULL,
	"folder_id" uuid NOT NULL,
	"actor_id" uuid NOT NULL,
	"state" text DEFAULT 'receiving' NOT NULL,
	"reserved_bytes" bigint NOT NULL,
	"reserved_files" integer NOT NULL,
	"lease_until" timestamp with time zone NOT NULL,
	"job_id" uuid,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"finished_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "users" (
	"id" uuid PRIMARY KEY NOT NULL,
	"email" text NOT NULL,
	"role" text DEFAULT 'user' NOT NULL,
	"policy_name" text DEFAULT 'default' NOT NULL,
	"is_active" boolean DEFAULT true NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "archives" ADD CONSTRAINT "archives_folder_id_folders_id_fk" FOREIGN KEY ("folder_id") REFERENCES "public"."folders"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "archives" ADD CONSTRAINT "archives_actor_id_users_id_fk" FOREIGN KEY ("actor_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "folders" ADD CONSTRAINT "folders_owner_id_users_id_fk" FOREIGN KEY ("owner_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "invitations" ADD CONSTRAINT "invitations_folder_id_folders_id_fk" FOREIGN KEY ("folder_id") REFERENCES "public"."folders"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "invitations" ADD CONSTRAINT "invitations_inviter_id_users_id_fk" FOREIGN KEY ("inviter_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "invitations" ADD CONSTRAINT "invitations_invitee_id_users_id_fk" FOREIGN KEY ("invitee_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "jobs" ADD CONSTRAINT "jobs_folder_id_folders_id_fk" FOREIGN KEY ("folder_id") REFERENCES "public"."folders"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "jobs" ADD CONSTRAINT "jobs_actor_id_users_id_fk" FOREIGN KEY ("actor_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "keypairs" ADD CONSTRAINT "keypairs_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "members" ADD CONSTRAINT "members_folder_id_folders_id_fk" FOREIGN KEY ("folder_id") REFERENCES "public"."folders"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "members" ADD CONSTRAINT "members_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "path_claims" ADD CONSTRAINT "path_claims_folder_id_folders_id_fk" FOREIGN KEY ("folder_id") REFERENCES "public"."folders"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "path_claims" ADD CONSTRAINT "path_claims_job_id_jobs_id_fk" FOREIGN KEY ("job_id") REFERENCES "public"."jobs"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "upload_files" ADD CONSTRAINT "upload_files_upload_id_uploads_id_fk" FOREIGN KEY ("upload_id") REFERENCES "public"."uploads"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "uploads" ADD CONSTRAINT "uploads_folder_id_folders_id_fk" FOREIGN KEY ("folder_id") REFERENCES "public"."folders"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "uploads" ADD CONSTRAINT "uploads_actor_id_users_id_fk" FOREIGN KEY ("actor_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "uploads" ADD CONSTRAINT "uploads_job_id_jobs_id_fk" FOREIGN KEY ("job_id") REFERENCES "public"."jobs"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "users" ADD CONSTRAINT "users_policy_name_policies_name_fk" FOREIGN KEY ("policy_name") REFERENCES "public"."policies"("name") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "archives_expires_idx" ON "archives" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "folders_owner_idx" ON "folders" USING btree ("owner_id") WHERE state = 'active';--> statement-breakpoint
CREATE INDEX "folders_state_idx" ON "folders" USING btree ("state","id");--> statement-breakpoint
CREATE UNIQUE INDEX "invitations_pending_key" ON "invitations" USING btree ("folder_id","invitee_id") WHERE state = 'pending';--> statement-breakpoint
CREATE INDEX "invitations_invitee_idx" ON "invitations" USING btree ("invitee_id","created_at") WHERE state = 'pending';--> statement-breakpoint
CREATE INDEX "jobs_due_idx" ON "jobs" USING btree ("next_dispatch_at") WHERE state IN ('queued', 'running');--> statement-breakpoint
CREATE INDEX "jobs_actor_idx" ON "jobs" USING btree ("actor_id","id");--> statement-breakpoint
CREATE INDEX "jobs_actor_open_idx" ON "jobs" USING btree ("actor_id") WHERE state IN ('queued', 'running');--> statement-breakpoint
CREATE INDEX "jobs_folder_open_idx" ON "jobs" USING btree ("folder_id") WHERE state IN ('queued', 'running');--> statement-breakpoint
CREATE INDEX "jobs_folder_purge_idx" ON "jobs" USING btree ("folder_id","created_at") WHERE kind = 'folder.purge';--> statement-breakpoint
CREATE INDEX "jobs_finished_idx" ON "jobs" USING btree ("finished_at") WHERE finished_at IS NOT NULL;--> statement-breakpoint
CREATE UNIQUE INDEX "jobs_dedupe_key" ON "jobs" USING btree ("dedupe_key") WHERE state IN ('queued', 'running');--> statement-breakpoint
CREATE INDEX "keypairs_user_idx" ON "keypairs" USING btree ("user_id");--> statement-breakpoint
CREATE UNIQUE INDEX "members_user_name_key" ON "members" USING btree ("user_id","name");--> statement-breakpoint
CREATE INDEX "members_user_folder_idx" ON "members" USING btree ("user_id","folder_id");--> statement-breakpoint
CREATE INDEX "path_claims_job_idx" ON "path_claims" USING btree ("job_id");--> statement-breakpoint
CREATE INDEX "uploads_lease_idx" ON "uploads" USING btree ("lease_until") WHERE state IN ('receiving', 'aborting');--> statement-breakpoint
CREATE INDEX "uploads_folder_open_idx" ON "uploads" USING btree ("folder_id") WHERE state IN ('receiving', 'staged', 'aborting');--> statement-breakpoint
CREATE INDEX "uploads_job_idx" ON "uploads" USING btree ("job_id");--> statement-breakpoint
CREATE INDEX "uploads_finished_idx" ON "uploads" USING btree ("finished_at") WHERE finished_at IS NOT NULL;--> statement-breakpoint
CREATE UNIQUE INDEX "users_email_key" ON "users" USING btree (lower("email"));
--> statement-breakpoint
INSERT INTO "policies" ("name") VALUES ('default') ON CONFLICT DO NOTHING;
