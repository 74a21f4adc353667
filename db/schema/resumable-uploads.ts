import { bigint, integer, jsonb, pgTable, text, timestamp, uuid } from 'drizzle-orm/pg-core';
import { type UploadSegment, uploadShapes } from '../../domain/upload-session.ts';
import { uploads } from './uploads.ts';

/**
 * What an upload session that arrives over several requests adds to its row in `uploads`, whose `lease_until` is when it
 * expires. `offset_bytes` is the only truth about what has arrived: that many bytes are synced in `segments`. A request
 * that writes holds the session by `writer_until` and its `fence`; `writer_until` is `null` only after a writer closed
 * its file, so whoever finds it lapsed starts a new segment instead of sharing a file with a writer that may still live.
 */
export const resumableUploads = pgTable('resumable_uploads', {
  uploadId: uuid('upload_id')
    .primaryKey()
    .references(() => uploads.id, { onDelete: 'cascade' }),
  shape: text('shape', { enum: uploadShapes }).notNull(),
  /** Where the file goes; empty for a part. */
  path: text('path').notNull(),
  /** `null` while the client has not said. */
  lengthBytes: bigint('length_bytes', { mode: 'number' }),
  offsetBytes: bigint('offset_bytes', { mode: 'number' }).notNull().default(0),
  /** `Upload-Metadata` as sent, to be told again. */
  metadata: text('metadata').notNull(),
  segments: jsonb('segments').$type<readonly UploadSegment[]>().notNull().default([]),
  /** Staged names given out so far. */
  ordinals: integer('ordinals').notNull().default(0),
  fence: integer('fence').notNull().default(0),
  writerUntil: timestamp('writer_until', { withTimezone: true }),
  /** Of a part: the upload it was joined into. Of that: its parts, in order. */
  finalId: uuid('final_id'),
  partIds: jsonb('part_ids').$type<readonly string[]>(),
  /** `Upload-Concat` of what is joined from parts, as sent, to be told again. */
  concat: text('concat'),
});
