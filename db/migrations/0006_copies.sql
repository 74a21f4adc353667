CREATE TABLE "copies" (
	"job_id" uuid PRIMARY KEY NOT NULL,
	"folder_id" uuid NOT NULL,
	"reserved_bytes" bigint NOT NULL,
	"reserved_files" bigint NOT NULL
);
--> statement-breakpoint
DROP INDEX "folders_owner_idx";--> statement-breakpoint
ALTER TABLE "copies" ADD CONSTRAINT "copies_job_id_jobs_id_fk" FOREIGN KEY ("job_id") REFERENCES "public"."jobs"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "copies" ADD CONSTRAINT "copies_folder_id_folders_id_fk" FOREIGN KEY ("folder_id") REFERENCES "public"."folders"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "copies_folder_idx" ON "copies" USING btree ("folder_id");--> statement-breakpoint
CREATE INDEX "folders_owner_idx" ON "folders" USING btree ("owner_id") WHERE state IN ('active', 'cloning');