CREATE TABLE "mount_sessions" (
	"id" uuid PRIMARY KEY NOT NULL,
	"user_id" uuid NOT NULL,
	"session" text NOT NULL,
	"lease_seconds" integer NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "mounts" (
	"session_id" uuid NOT NULL,
	"folder_id" uuid NOT NULL,
	"ordinal" integer NOT NULL,
	"name" text NOT NULL,
	"alias" text NOT NULL,
	"is_read_only" boolean NOT NULL,
	CONSTRAINT "mounts_session_id_folder_id_pk" PRIMARY KEY("session_id","folder_id")
);
--> statement-breakpoint
ALTER TABLE "mount_sessions" ADD CONSTRAINT "mount_sessions_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "mounts" ADD CONSTRAINT "mounts_session_id_mount_sessions_id_fk" FOREIGN KEY ("session_id") REFERENCES "public"."mount_sessions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "mounts" ADD CONSTRAINT "mounts_folder_id_folders_id_fk" FOREIGN KEY ("folder_id") REFERENCES "public"."folders"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "mount_sessions_user_session_key" ON "mount_sessions" USING btree ("user_id","session");--> statement-breakpoint
CREATE INDEX "mount_sessions_expires_idx" ON "mount_sessions" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "mounts_folder_idx" ON "mounts" USING btree ("folder_id");