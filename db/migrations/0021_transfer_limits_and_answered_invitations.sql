CREATE TABLE "transfer_token_counts" (
	"user_id" uuid NOT NULL,
	"good_until" timestamp with time zone NOT NULL,
	"stripe" integer NOT NULL,
	"tokens" bigint NOT NULL,
	"bytes" bigint NOT NULL,
	CONSTRAINT "transfer_token_counts_user_id_good_until_stripe_pk" PRIMARY KEY("user_id","good_until","stripe")
);
--> statement-breakpoint
ALTER TABLE "transfer_token_counts" ADD CONSTRAINT "transfer_token_counts_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "transfer_token_counts_good_until_idx" ON "transfer_token_counts" USING btree ("good_until");--> statement-breakpoint
CREATE INDEX "invitations_answered_idx" ON "invitations" USING btree ("answered_at") WHERE answered_at IS NOT NULL;