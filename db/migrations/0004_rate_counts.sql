CREATE TABLE "rate_counts" (
	"key" text NOT NULL,
	"span" integer NOT NULL,
	"count" bigint NOT NULL,
	CONSTRAINT "rate_counts_key_span_pk" PRIMARY KEY("key","span")
);
--> statement-breakpoint
CREATE INDEX "rate_counts_span_idx" ON "rate_counts" USING btree ("span");