CREATE TABLE "link_readers" (
	"link_id" uuid NOT NULL,
	"reader" text NOT NULL,
	"content" text NOT NULL,
	"began_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "link_readers_link_id_reader_content_pk" PRIMARY KEY("link_id","reader","content")
);
--> statement-breakpoint
CREATE TABLE "links" (
	"id" uuid PRIMARY KEY NOT NULL,
	"digest" text NOT NULL,
	"kind" text NOT NULL,
	"folder_id" uuid NOT NULL,
	"path" text NOT NULL,
	"user_id" uuid NOT NULL,
	"access_key" text,
	"token_id" uuid,
	"password_hash" text,
	"uses_max" integer,
	"uses" integer DEFAULT 0 NOT NULL,
	"guesses" integer DEFAULT 0 NOT NULL,
	"guesses_since" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"first_used_at" timestamp with time zone,
	"last_used_at" timestamp with time zone
);
--> statement-breakpoint
ALTER TABLE "links" ADD CONSTRAINT "links_folder_id_folders_id_fk" FOREIGN KEY ("folder_id") REFERENCES "public"."folders"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "links" ADD CONSTRAINT "links_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "link_readers_began_idx" ON "link_readers" USING btree ("began_at");--> statement-breakpoint
CREATE UNIQUE INDEX "links_digest_key" ON "links" USING btree ("digest");--> statement-breakpoint
CREATE INDEX "links_user_idx" ON "links" USING btree ("user_id","id");--> statement-breakpoint
CREATE INDEX "links_folder_idx" ON "links" USING btree ("folder_id","id");--> statement-breakpoint
CREATE INDEX "links_expires_idx" ON "links" USING btree ("expires_at");