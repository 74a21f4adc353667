CREATE TABLE "workers" (
	"id" uuid PRIMARY KEY NOT NULL,
	"host" text NOT NULL,
	"pid" integer NOT NULL,
	"version" text NOT NULL,
	"queues" text[] NOT NULL,
	"volumes" text[] NOT NULL,
	"concurrency" jsonb NOT NULL,
	"job_ids" uuid[] NOT NULL,
	"takes_jobs" boolean NOT NULL,
	"is_draining" boolean DEFAULT false NOT NULL,
	"started_at" timestamp with time zone NOT NULL,
	"beat_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "workers_queues_check" CHECK (cardinality(queues) >= 1)
);
--> statement-breakpoint
CREATE INDEX "workers_beat_idx" ON "workers" USING btree ("beat_at");