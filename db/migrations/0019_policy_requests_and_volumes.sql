ALTER TABLE "policies" ADD COLUMN "requests_max" integer;--> statement-breakpoint
ALTER TABLE "policies" ADD COLUMN "volumes" text[];