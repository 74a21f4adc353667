CREATE TABLE "file_digests" (
	"folder_id" uuid NOT NULL,
	"inode" text NOT NULL,
	"version" text NOT NULL,
	"crc32" bigint NOT NULL,
	"noted_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "file_digests_folder_id_inode_pk" PRIMARY KEY("folder_id","inode")
);
--> statement-breakpoint
ALTER TABLE "upload_files" ADD COLUMN "version" text;--> statement-breakpoint
ALTER TABLE "upload_files" ADD COLUMN "replaced_inode" text;--> statement-breakpoint
ALTER TABLE "file_digests" ADD CONSTRAINT "file_digests_folder_id_folders_id_fk" FOREIGN KEY ("folder_id") REFERENCES "public"."folders"("id") ON DELETE no action ON UPDATE no action;