ALTER TABLE "path_claims" ADD COLUMN "slot" integer;--> statement-breakpoint
ALTER TABLE "path_claims" ADD COLUMN "identity" text;