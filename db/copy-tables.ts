import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import postgres from 'postgres';
import { type RestoredFiles, settleRestored } from './settle-restored.ts';
import { socketPathOf } from './socket-path.ts';

/** A table of ours and its columns, in the order that its rows are written and read in. */
export interface CopiedTable {
  readonly name: string;
  readonly columns: readonly string[];
}

/** A folder that has files, as it was in a snapshot. */
export interface SnapshotFolder {
  readonly id: string;
  readonly volume: string;
  readonly state: 'active' | 'trashed' | 'cloning';
  readonly bytes: number;
  readonly files: number;
  readonly mutationSeq: number;
}

/** An upload that was being received, or was staged and about to be committed. */
export interface OpenUpload {
  readonly id: string;
  readonly state: 'receiving' | 'staged';
}

/** What a snapshot holds beside its rows. */
export interface Snapshot {
  readonly takenAt: string;
  /** When the newest applied migration was made; names the version of the tables. */
  readonly schema: number;
  readonly keyFingerprint: string | null;
  /** Referenced tables come before those that refer to them. */
  readonly tables: readonly CopiedTable[];
  readonly folders: readonly SnapshotFolder[];
  /** Uploads that had not ended. */
  readonly openUploads: readonly OpenUpload[];
}

/**
 * Tables that only hold for the machine and the moment: who is up, what was counted, what was built from content, who is
 * fetching what, checksums by inode, which other files bear after a restore, and which sessions had folders mounted then.
 */
const leftOut = [
  'workers',
  'rate_counts',
  'archives',
  'link_readers',
  'file_digests',
  'mount_sessions',
  'mounts',
];

function connect(url: string) {
  const path = socketPathOf(url);
  return postgres(url, {
    ...(path === undefined ? {} : { path }),
    max: 1,
    connect_timeout: 10,
    connection: { application_name: 'vfolder-backup', idle_in_transaction_session_timeout: 0 },
    onnotice: () => undefined,
  });
}

type Transaction = postgres.TransactionSql;

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function copyTarget({ name, columns }: CopiedTable): string {
  return `public.${quoted(name)} (${columns.map(quoted).join(', ')})`;
}

/** Tables by what they refer to. A ring of references has no such order; ours have none. */
function inOrder(
  tables: readonly CopiedTable[],
  references: readonly { readonly from: string; readonly to: string }[],
): CopiedTable[] {
  const sorted: CopiedTable[] = [];
  const left = new Set(tables);
  while (left.size > 0) {
    const names = new Set([...left].map(({ name }) => name));
    const ready = [...left].filter(
      ({ name }) => !references.some(({ from, to }) => from === name && to !== name && names.has(to)),
    );
    if (ready.length === 0)
      throw new Error(`Tables refer to each other in a ring: ${[...names].join(', ')}.`);
    for (const table of ready) left.delete(table);
    sorted.push(...ready);
  }
  return sorted;
}

async function listTables(tx: Transaction): Promise<CopiedTable[]> {
  const tables = await tx<{ name: string; columns: string[] }[]>`
    SELECT c.table_name AS name, array_agg(c.column_name::text ORDER BY c.ordinal_position) AS columns
    FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
    WHERE table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.is_generated = 'NEVER'
      AND NOT c.table_name = ANY(${leftOut})
    GROUP BY c.table_name ORDER BY c.table_name`;
  const references = await tx<{ from: string; to: string }[]>`
    SELECT a.relname AS "from", b.relname AS "to" FROM pg_constraint k
    JOIN pg_class a ON a.oid = k.conrelid JOIN pg_class b ON b.oid = k.confrelid WHERE k.contype = 'f'`;
  return inOrder(
    tables.map(({ name, columns }) => ({ name, columns })),
    references,
  );
}

async function listSnapshotFolders(tx: Transaction): Promise<SnapshotFolder[]> {
  const rows = await tx<(Omit<SnapshotFolder, 'bytes' | 'files' | 'mutationSeq'> & Record<string, string>)[]>`
    SELECT id, volume, state, used_bytes AS bytes, used_files AS files, mutation_seq AS seq
    FROM folders WHERE state IN ('active', 'trashed', 'cloning') ORDER BY id`;
  return rows.map(({ id, volume, state, bytes, files, seq }) => ({
    id,
    volume,
    state,
    bytes: Number(bytes),
    files: Number(files),
    mutationSeq: Number(seq),
  }));
}

async function listOpenUploads(tx: Transaction): Promise<OpenUpload[]> {
  const rows = await tx<OpenUpload[]>`SELECT id, state FROM uploads WHERE state IN ('receiving', 'staged')`;
  return rows.map(({ id, state }) => ({ id, state }));
}

/** Writes every table as it is at one moment (one REPEATABLE READ snapshot), whatever goes on meanwhile. */
export async function dumpTables(url: string, openSink: (table: string) => Writable): Promise<Snapshot> {
  const client = connect(url);
  try {
    return await client.begin('isolation level repeatable read read only', async (tx) => {
      const [now] = await tx<{ now: string }[]>`SELECT to_json(now()) #>> '{}' AS now`;
      const [newest] = await tx<{ schema: string }[]>`
        SELECT coalesce(max(created_at), 0) AS schema FROM drizzle.__drizzle_migrations`;
      const [key] = await tx<{ value: string }[]>`
        SELECT value FROM settings WHERE name = 'encryption_key_fingerprint'`;
      const tables = await listTables(tx);
      for (const table of tables) {
        const rows = await tx.unsafe(`COPY ${copyTarget(table)} TO STDOUT`).readable();
        await pipeline(rows, openSink(table.name));
        // The driver stops its socket while rows wait to be written and goes on at the next read. Behind the last row
        // comes none, and with it what ends the statement would never arrive.
        rows._read(0);
      }
      return {
        takenAt: now?.now ?? '',
        schema: Number(newest?.schema),
        keyFingerprint: key?.value ?? null,
        tables,
        folders: await listSnapshotFolders(tx),
        openUploads: await listOpenUploads(tx),
      };
    });
  } finally {
    await client.end({ timeout: 5 });
  }
}

/** Whether the database holds an installation: any user or folder. */
export async function isInhabited(url: string): Promise<boolean> {
  const client = connect(url);
  try {
    const [made] = await client<
      { isMade: boolean }[]
    >`SELECT to_regclass('public.users') IS NOT NULL AS "isMade"`;
    if (made?.isMade !== true) return false;
    const [row] = await client<{ is: boolean }[]>`
      SELECT EXISTS (SELECT FROM users) OR EXISTS (SELECT FROM folders) AS is`;
    return row?.is === true;
  } finally {
    await client.end({ timeout: 5 });
  }
}

/** Where rows come from and what is known of the files. */
export interface TablesToLoad {
  readonly tables: readonly CopiedTable[];
  readonly openSource: (table: string) => Readable;
  readonly files: RestoredFiles;
}

/** Reads every table into a migrated database without users and folders, in one transaction: all of it or nothing. */
export async function loadTables(url: string, load: TablesToLoad): Promise<void> {
  const client = connect(url);
  try {
    await client.begin(async (tx) => {
      // Rows that migrations bring are in the backup as well.
      for (const { name } of load.tables.toReversed()) await tx.unsafe(`DELETE FROM public.${quoted(name)}`);
      for (const table of load.tables) {
        const sink = await tx.unsafe(`COPY ${copyTarget(table)} FROM STDIN`).writable();
        await pipeline(load.openSource(table.name), sink);
      }
      await settleRestored(tx, load.files);
    });
  } finally {
    await client.end({ timeout: 5 });
  }
}
