CREATE TABLE "seen_signatures" (
	"access_key" text NOT NULL,
	"signature" text NOT NULL,
	"seen_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "seen_signatures_access_key_signature_pk" PRIMARY KEY("access_key","signature")
);
--> statement-breakpoint
CREATE INDEX "seen_signatures_seen_idx" ON "seen_signatures" USING btree ("seen_at");