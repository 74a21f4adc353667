ALTER TABLE "folders" ADD COLUMN "usage_due_at" timestamp with time zone DEFAULT now() + interval '1 day' NOT NULL;--> statement-breakpoint
ALTER TABLE "folders" ADD COLUMN "usage_conflicts" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
CREATE INDEX "folders_usage_due_idx" ON "folders" USING btree ("volume","usage_due_at") WHERE state = 'active';--> statement-breakpoint
CREATE INDEX "jobs_measure_open_idx" ON "jobs" USING btree ("volume") WHERE kind = 'usage.measure' AND state IN ('queued', 'running');