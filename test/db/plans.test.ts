import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/postgres-js';
import postgres, { type Sql } from 'postgres';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Executor } from '../../db/client.ts';
import { deleteAnsweredInvitations } from '../../db/queries/invitations.ts';
import { claimJob, claimJobs } from '../../db/queries/job-lease.ts';
import { findJob, listEndedJobIds, listJobs, listJobsById } from '../../db/queries/jobs.ts';
import { findCredential, listKeypairs } from '../../db/queries/keypairs.ts';
import {
  deleteOldLinkReaders,
  hasLinkReader,
  listLinkReaders,
  lockLinkUses,
  noteLinkUses,
  takeLinkGuess,
  uncountLinkUse,
} from '../../db/queries/link-uses.ts';
import {
  countLinks,
  deleteAnyLink,
  deleteExpiredLinks,
  deleteLink,
  deleteLinksOfMember,
  findLink,
  findLinkRecord,
  isLinkGood,
  listAllLinks,
  listLinks,
} from '../../db/queries/links.ts';
import { demandMeasures } from '../../db/queries/measure.ts';
import {
  countMemberFolders,
  findMemberFolder,
  listFolderMembers,
  listMemberFolders,
  pageMemberFolders,
} from '../../db/queries/members.ts';
import {
  countMountSessions,
  countSessionsOnFolder,
  endLapsedMountSessions,
  endMountSession,
  findMountSession,
  holdFolders,
  holdMountedFolders,
  listMountSessions,
  lockOutMounts,
  renewMountSession,
} from '../../db/queries/mounts.ts';
import { holdFolder, insertFreeClaims } from '../../db/queries/path-claims.ts';
import { countOpenParts, findResumableUpload } from '../../db/queries/resumable-uploads.ts';
import {
  deleteTransferTokenCounts,
  findTransferToken,
  findTransferTokenRelief,
  insertTransferToken,
} from '../../db/queries/transfer-tokens.ts';
import {
  endUploads,
  isRefusedWhole,
  listUploadsToCommit,
  noteReplaced,
} from '../../db/queries/upload-commits.ts';
import {
  findUpload,
  growUpload,
  listOwnedStageIds,
  listUploadFiles,
  renameUploadFiles,
  reserveUploads,
  stageUploads,
  takeExpiredUploads,
} from '../../db/queries/uploads.ts';
import { isUserActive } from '../../db/queries/users.ts';
import { socketPathOf } from '../../db/socket-path.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

/** Large enough that reading one of them whole is never the cheapest way to a few rows. */
const large = [
  'users',
  'keypairs',
  'folders',
  'members',
  'jobs',
  'uploads',
  'upload_files',
  'resumable_uploads',
  'transfer_tokens',
  'transfer_token_counts',
  'invitations',
  'mount_sessions',
  'mounts',
  'links',
  'link_readers',
];
const userCount = 2_000;
const foldersEach = 6;

let database: TestDatabase;
let client: Sql;

async function fill(): Promise<void> {
  const { db } = database;
  await db.execute(sql`
    INSERT INTO users (id, email) SELECT gen_random_uuid(), 'plan-' || n || '@example.org' FROM generate_series(1, ${userCount}) n`);
  await db.execute(sql`
    INSERT INTO keypairs (access_key, user_id, secret_sealed)
    SELECT 'PLAN' || row_number() OVER (), id, '\\x00' FROM users`);
  await db.execute(sql`
    WITH made AS (
      INSERT INTO folders (id, owner_id, volume, quota_bytes, quota_files, reserved_bytes, reserved_files)
        SELECT gen_random_uuid(), users.id, 'local', 1e12, 1e6, 1, 1 FROM users, generate_series(1, ${foldersEach}::int)
        RETURNING id, owner_id)
    INSERT INTO members (folder_id, user_id, name, permission, is_owner)
      SELECT id, owner_id, 'n-' || id, 'rd', true FROM made`);
  await db.execute(sql`
    INSERT INTO jobs (id, kind, volume, folder_id, actor_id, payload, state, attempts_max, finished_at)
    SELECT gen_random_uuid(), 'upload.commit', 'local', id, owner_id, '{}', now_in, 3,
      CASE now_in WHEN 'queued' THEN NULL ELSE now() END
    FROM folders, unnest(ARRAY['queued', 'done', 'done', 'done', 'failed']) AS now_in`);
  await db.execute(sql`
    INSERT INTO uploads (id, folder_id, actor_id, state, reserved_bytes, reserved_files, lease_until)
    SELECT gen_random_uuid(), id, owner_id, now_in, 1, 1, now() + interval '1 hour'
    FROM folders, unnest(ARRAY['receiving', 'committed', 'committed', 'committed']) AS now_in`);
  await db.execute(sql`
    INSERT INTO upload_files (upload_id, ordinal, path, size_bytes, inode) SELECT id, 0, 'a', 1, '1' FROM uploads`);
  await db.execute(sql`
    INSERT INTO resumable_uploads (upload_id, shape, path, metadata) SELECT id, 'whole', 'a', '' FROM uploads`);
  await db.execute(sql`
    INSERT INTO transfer_tokens (token_hash, verb, folder_id, user_id, paths, expires_at)
    SELECT id::text, 'download', id, owner_id, '["a"]', now() + interval '1 hour' FROM folders`);
  await db.execute(sql`
    INSERT INTO transfer_token_counts (user_id, good_until, stripe, tokens, bytes)
    SELECT id, now() + n * interval '1 minute', n % 16, 1, 1 FROM users, generate_series(1, 10) n`);
  await db.execute(sql`
    INSERT INTO invitations (id, folder_id, inviter_id, invitee_id, permission, state, answered_at)
    SELECT gen_random_uuid(), id, owner_id, owner_id, 'ro', 'accepted', now() FROM folders`);
  await db.execute(sql`
    INSERT INTO mount_sessions (id, user_id, session, lease_seconds, expires_at)
    SELECT gen_random_uuid(), id, 's' || n, 300, now() + n * interval '1 minute' FROM users, generate_series(1, 5) n`);
  await db.execute(sql`
    INSERT INTO mounts (session_id, folder_id, ordinal, name, alias, is_read_only)
    SELECT s.id, f.id, 0, 'a', 'a', false FROM mount_sessions s JOIN folders f ON f.owner_id = s.user_id`);
  await db.execute(sql`
    INSERT INTO links (id, digest, kind, folder_id, path, user_id, access_key, expires_at)
    SELECT id, id::text, 'download', id, 'a', owner_id, 'PLAN7', now() + interval '1 hour' FROM folders`);
  await db.execute(sql`
    INSERT INTO link_readers (link_id, reader, content) SELECT id, 'a', 'b' FROM folders`);
  await db.execute(sql`ANALYZE`);
}

beforeAll(async () => {
  database = await createTestDatabase();
  const path = socketPathOf(database.url);
  client = postgres(database.url, { max: 1, ...(path === undefined ? {} : { path }) });
  await fill();
});
afterAll(async () => {
  await client.end();
  await database.close();
});

/** Takes back what a statement did. */
class Undone extends Error {}

/** The plans of all that `work` sends, for any values of their parameters, as those of prepared statements are; nothing stays of it. */
async function plansOf(work: (db: Executor) => Promise<unknown>, on: Sql = client): Promise<string[]> {
  const texts: string[] = [];
  const db = drizzle(on, { logger: { logQuery: (text) => void texts.push(text) } });
  const undone = db.transaction(async (tx) => {
    await work(tx);
    throw new Undone();
  });
  await expect(undone).rejects.toThrow(Undone);
  const plans: string[] = [];
  for (const text of texts) {
    const rows = await on.unsafe(`EXPLAIN (GENERIC_PLAN) ${text}`);
    plans.push(rows.map((row) => String(row['QUERY PLAN'])).join('\n'));
  }
  return plans;
}

function wholeReads(plan: string): string[] {
  const read = [...plan.matchAll(/Seq Scan on (\w+)/g)].map(([, table = '']) => table);
  return read.filter((table) => large.includes(table));
}

/** How many groups the hash tables of a plan are made for. */
function expectedGroups(plan: string): number[] {
  return [...plan.matchAll(/HashAggregate.* rows=(\d+)/g)].map(([, rows]) => Number(rows));
}

interface Sample {
  readonly userId: string;
  readonly folderId: string;
  readonly name: string;
  readonly jobId: string;
  readonly uploadId: string;
}

async function sample(): Promise<Sample> {
  const [row] = await database.db.execute<Sample & Record<string, unknown>>(sql`
    SELECT members.user_id AS "userId", members.folder_id AS "folderId", members.name, jobs.id AS "jobId",
      uploads.id AS "uploadId"
    FROM members JOIN jobs ON jobs.folder_id = members.folder_id
      JOIN uploads ON uploads.folder_id = members.folder_id AND uploads.state = 'receiving' LIMIT 1`);
  if (row === undefined) throw new Error('The tables are filled.');
  return row;
}

const amount = { bytes: 1, files: 1 };
const statements: Readonly<Record<string, (db: Executor, known: Sample) => Promise<unknown>>> = {
  'a keypair with its user': (db) => findCredential(db, 'PLAN7'),
  'the keypairs of a user': (db, { userId }) =>
    listKeypairs(db, { userId, isActive: undefined, afterKey: undefined, limit: 50 }),
  'whether a user is active': (db, { userId }) => isUserActive(db, userId),
  'a folder by name': (db, { userId, name }) => findMemberFolder(db, { userId, name, right: 'read' }),
  'a folder by name or id': (db, { userId, name, folderId }) =>
    findMemberFolder(db, { userId, name, folderId, right: 'read' }),
  'the folders of a user': (db, { userId }) => listMemberFolders(db, { userId, limit: 50, offset: 0 }),
  'a page of the folders of a user': (db, { userId }) =>
    pageMemberFolders(db, { userId, limit: 50, offset: 0 }),
  'how many folders a user has': (db, { userId }) => countMemberFolders(db, userId),
  'the members of a folder': (db, { folderId }) => listFolderMembers(db, folderId),
  'a job': (db, { jobId, userId }) => findJob(db, { jobId, actorId: userId }),
  'the jobs of a user': (db, { userId }) => listJobs(db, { actorId: userId, limit: 50 }),
  'the failed jobs of a user': (db, { userId }) =>
    listJobs(db, { actorId: userId, state: 'failed', cursor: uuidv7(), limit: 50 }),
  'all jobs': (db) => listJobs(db, { actorId: null, cursor: uuidv7(), limit: 50 }),
  'jobs by their ids': (db, { jobId }) => listJobsById(db, [jobId, uuidv7()]),
  'which jobs have ended': (db, { jobId }) => listEndedJobIds(db, [jobId]),
  'room for uploads': (db, { userId, folderId }) =>
    reserveUploads(db, folderId, [{ id: uuidv7(), actorId: userId, amount }]),
  'more room for an upload': (db, { uploadId }) => growUpload(db, { id: uploadId, amount }),
  'that uploads are staged': (db, { uploadId, jobId }) =>
    stageUploads(db, [{ id: uploadId, jobId, files: [] }]),
  'an upload': (db, { uploadId }) => findUpload(db, uploadId),
  'the files of an upload': (db, { uploadId }) => listUploadFiles(db, uploadId),
  'other names for files of an upload': (db, { uploadId }) =>
    renameUploadFiles(db, uploadId, [{ ordinal: 0, path: 'b' }]),
  'uploads to commit': (db, { uploadId }) => listUploadsToCommit(db, [uploadId, uuidv7()]),
  'whether an upload was refused whole': (db, { jobId }) => isRefusedWhole(db, jobId),
  'uploads that nobody serves': (db) => takeExpiredUploads(db, { volume: 'local', limit: 50 }),
  'staged names that are owned': (db, { folderId }) => listOwnedStageIds(db, folderId),
  'a resumable upload': (db, { uploadId, userId }) => findResumableUpload(db, { id: uploadId, userId }),
  'a transfer token to keep': (db, { userId, folderId }) =>
    insertTransferToken(db, {
      tokenHash: uuidv7(),
      verb: 'download',
      folderId,
      userId,
      paths: ['a'],
      isArchive: false,
      fileName: null,
      uploadId: null,
      lifeSeconds: 3_600,
      keptBytes: 5,
      limits: { tokens: 1_000, bytes: 1_000 },
    }),
  'when transfer tokens expire': (db, { userId }) => findTransferTokenRelief(db, userId),
  'a transfer token': (db, { folderId }) => findTransferToken(db, { tokenHash: folderId, verb: 'download' }),
  'a link': (db, { folderId }) => findLink(db, folderId),
  'whether a link is good': (db, { folderId }) => isLinkGood(db, folderId),
  'how many links a user has': (db, { userId }) => countLinks(db, userId),
  'the links of everybody that a user made for a folder': (db, { userId, folderId }) =>
    listAllLinks(db, { userId, folderId, beforeId: uuidv7(), limit: 50 }),
  'a link of anybody to revoke': (db, { folderId }) => deleteAnyLink(db, folderId),
  'the links of a member to revoke': (db, ids) => deleteLinksOfMember(db, ids),
  'the links of a user': (db, { userId }) =>
    listLinks(db, { userId, folderId: undefined, beforeId: undefined, limit: 50 }),
  'the links of a folder': (db, { userId, folderId }) =>
    listLinks(db, { userId, folderId, beforeId: uuidv7(), limit: 50 }),
  'a link of a user': (db, { userId, folderId }) => findLinkRecord(db, { id: folderId, userId }),
  'a link to revoke': (db, { userId, folderId }) => deleteLink(db, { id: folderId, userId }),
  'what may begin by a link': (db, { folderId }) => lockLinkUses(db, folderId),
  'a use of a link that is taken back': (db, { folderId }) => uncountLinkUse(db, folderId),
  'who goes on by a link': (db, { folderId }) =>
    listLinkReaders(db, folderId, [{ reader: 'c', content: 'd' }]),
  'a use of a link': (db, { folderId }) =>
    noteLinkUses(db, { linkId: folderId, uses: 1, readers: [{ reader: 'c', content: 'd' }] }),
  'whether somebody read by a link': (db, { folderId }) =>
    hasLinkReader(db, { linkId: folderId, reader: 'a' }),
  'a guess at the password of a link': (db, { folderId }) => takeLinkGuess(db, folderId),
  'links to forget': (db) => deleteExpiredLinks(db, 10),
  'who read by a link, to forget': (db) => deleteOldLinkReaders(db, 10),
  'answered invitations to forget': (db) => deleteAnsweredInvitations(db, { days: 30, limit: 10 }),
  'counts of transfer tokens to forget': (db) => deleteTransferTokenCounts(db, 10),
  'a session with mounts': (db, { userId }) => findMountSession(db, { userId, session: 's1' }),
  'the sessions of a user': (db, { userId }) => listMountSessions(db, { userId, limit: 100 }),
  'the sessions on a folder': (db, { folderId }) => listMountSessions(db, { folderId, limit: 100 }),
  'a page of all sessions': (db) => listMountSessions(db, { afterId: uuidv7(), limit: 100 }),
  'how many sessions a user has': (db, { userId }) => countMountSessions(db, userId),
  'how many sessions are on a folder': (db, { folderId }) => countSessionsOnFolder(db, folderId),
  'folders to mount': (db, { folderId }) => holdFolders(db, [folderId, uuidv7()]),
  'folders that are mounted': (db, { userId }) => holdMountedFolders(db, { userId, session: 's1' }),
  'a folder to take away': (db, { folderId }) => lockOutMounts(db, folderId),
  'folders to count anew': (db, { folderId }) => demandMeasures(db, [folderId, uuidv7()]),
  'a heartbeat': (db, { userId }) => renewMountSession(db, { userId, session: 's1', leaseSeconds: 60 }),
  'the end of a session': (db, { userId }) => endMountSession(db, { userId, session: 's1' }),
  'sessions to forget': (db) => endLapsedMountSessions(db, 10),
  'open parts of a folder': (db, { folderId }) => countOpenParts(db, folderId),
};

describe('statements of requests', () => {
  it.each(Object.keys(statements))('never read a large table whole: %s', async (name) => {
    const known = await sample();
    const plans = await plansOf(async (db) => statements[name]?.(db, known));
    expect(plans.length).toBeGreaterThan(0);
    for (const plan of plans) expect(wholeReads(plan), plan).toEqual([]);
  });

  it('are noticed when they do', async () => {
    const plans = await plansOf((db) => db.execute(sql`SELECT * FROM members WHERE permission = ${'ro'}`));
    expect(plans.flatMap(wholeReads)).toEqual(['members']);
  });
});

describe('statements that come with every upload', () => {
  let small: TestDatabase;
  let smallClient: Sql;

  beforeAll(async () => {
    small = await createTestDatabase();
    const path = socketPathOf(small.url);
    smallClient = postgres(small.url, { max: 1, ...(path === undefined ? {} : { path }) });
    await small.db.execute(sql`
      INSERT INTO jobs (id, kind, volume, payload, state, attempts_max, finished_at)
      SELECT gen_random_uuid(), 'upload.commit', 'local', '{}', 'succeeded', 3, now() FROM generate_series(1, 4000)`);
    await small.db.execute(sql`
      WITH u AS (INSERT INTO users (id, email) VALUES (gen_random_uuid(), 'small@example.org') RETURNING id),
        f AS (INSERT INTO folders (id, owner_id, volume, quota_bytes, quota_files)
          SELECT gen_random_uuid(), id, 'local', 1, 1 FROM u RETURNING id, owner_id)
      INSERT INTO uploads (id, folder_id, actor_id, state, reserved_bytes, reserved_files, lease_until)
      SELECT gen_random_uuid(), id, owner_id, 'committed', 1, 1, now() FROM f, generate_series(1, 4000)`);
    await small.db.execute(sql`ANALYZE`);
  });
  afterAll(async () => {
    await smallClient.end();
    await small.close();
  });

  const jobId = uuidv7();
  const one = { id: jobId, handedFence: 0 };
  it.each([
    ['jobs by their ids', (db: Executor) => listJobsById(db, [jobId])],
    ['which jobs have ended', (db: Executor) => listEndedJobIds(db, [jobId])],
  ])('use the index of a table of some thousand rows as well: %s', async (_name, work) => {
    const plans = await plansOf(work, smallClient);
    expect(plans.length).toBeGreaterThan(0);
    for (const plan of plans) expect(wholeReads(plan), plan).toEqual([]);
  });

  it.each([
    ['staging', (db: Executor) => stageUploads(db, [])],
    ['claiming jobs', (db: Executor) => claimJobs(db, [], { owner: 'w', leases: {}, readingKinds: [] })],
    ['claiming one job', (db: Executor) => claimJob(db, one, { owner: 'w', leases: {}, readingKinds: [] })],
    ['holding a folder', (db: Executor) => holdFolder(db, uuidv7(), [])],
    ['noting what is replaced', (db: Executor) => noteReplaced(db, [])],
    ['ending', (db: Executor) => endUploads(db, [])],
  ])('look at the rows they name, not at all open ones: %s', async (_name, work) => {
    const plans = await plansOf(work, smallClient);
    expect(plans.length).toBeGreaterThan(0);
    for (const plan of plans) {
      expect(plan).not.toMatch(/Seq Scan on (jobs|uploads)\b/);
      expect(plan).not.toMatch(/_(open|due|lease)_idx/);
    }
  });

  it('make no large hash tables to look for claims that overlap', async () => {
    const folderId = uuidv7();
    const [plan = ''] = await plansOf(
      (db) => insertFreeClaims(db, folderId, [{ jobId, paths: [] }]),
      smallClient,
    );
    expect(expectedGroups(plan)).toEqual([200]);
    const union =
      'SELECT g FROM generate_series(1, $1) g UNION SELECT g * 2 FROM generate_series(1, 20000) g';
    const rows = await smallClient.unsafe(`EXPLAIN (GENERIC_PLAN) ${union}`);
    expect(expectedGroups(rows.map((row) => String(row['QUERY PLAN'])).join('\n'))).not.toEqual([200]);
  });
});
