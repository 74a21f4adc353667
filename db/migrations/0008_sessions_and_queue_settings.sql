CREATE TABLE "queue_settings" (
	"queue" text PRIMARY KEY NOT NULL,
	"is_paused" boolean DEFAULT false NOT NULL,
	"concurrency_max" integer,
	"changed_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "queue_settings_concurrency_check" CHECK (concurrency_max >= 1)
);
--> statement-breakpoint
CREATE TABLE "sessions" (
	"token_hash" text PRIMARY KEY NOT NULL,
	"access_key" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "sessions" ADD CONSTRAINT "sessions_access_key_keypairs_access_key_fk" FOREIGN KEY ("access_key") REFERENCES "public"."keypairs"("access_key") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "sessions_expires_idx" ON "sessions" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "sessions_access_key_idx" ON "sessions" USING btree ("access_key");--> statement-breakpoint
CREATE INDEX "jobs_failed_idx" ON "jobs" USING btree ("volume","kind","id") WHERE state IN ('failed', 'cancelled');