import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { UpkeepRefusal } from './refusal.ts';

const manifestSchema = z.object({
  format: z.literal(1),
  id: z.uuid(),
  made_at: z.string(),
  /** Version of the tables. */
  schema: z.number(),
  product_version: z.string(),
  key_fingerprint: z.string().nullable(),
  /** Whether the key lies in `secrets/`; else the settings gave it. */
  has_key: z.boolean(),
  /** Whether `hashes.jsonl` says what each file is. */
  has_hashes: z.boolean().default(false),
  /** In the order that they can be read in. */
  tables: z.array(z.object({ name: z.string(), columns: z.array(z.string()) })),
  volumes: z.array(z.string()),
  folders: z.number(),
  files: z.number(),
  bytes: z.number(),
  findings: z.number(),
  /** Uploads that were being received when the rows were read, and had ended when the files were. */
  ended_uploads: z.array(z.uuid()).default([]),
  /** Uploads that were staged when the rows were read, and in their places when the files were. */
  committed_uploads: z.array(z.uuid()).default([]),
});

/** What a backup says of itself; written last, so that a backup without one is not whole. */
export type Manifest = z.infer<typeof manifestSchema>;

const folderSchema = z.object({
  id: z.uuid(),
  volume: z.string(),
  /** `gone`: deleted while the backup was made. */
  status: z.enum(['saved', 'gone']),
  bytes: z.number(),
  files: z.number(),
});

/** A line of `folders.jsonl`. */
export type SavedFolder = z.infer<typeof folderSchema>;

/** Where the parts of a backup lie. */
export function layoutOf(dir: string) {
  return {
    manifest: join(dir, 'manifest.json'),
    folders: join(dir, 'folders.jsonl'),
    findings: join(dir, 'findings.jsonl'),
    hashes: join(dir, 'hashes.jsonl'),
    database: join(dir, 'database'),
    table: (name: string) => join(dir, 'database', `${name}.copy`),
    secrets: join(dir, 'secrets'),
    volume: (name: string) => join(dir, 'volumes', name),
  };
}

/** Writes a file that is on disk when it resolves, readable for its owner only. */
export async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Reads what a backup says of itself. @throws UpkeepRefusal when there is none, or of a form that is not known */
export async function readManifest(dir: string): Promise<Manifest> {
  const text = await readFile(layoutOf(dir).manifest, 'utf8').catch((cause: unknown) => {
    throw new UpkeepRefusal(`${dir} holds no backup, or one that was cut off: it has no manifest.json.`, {
      cause,
    });
  });
  try {
    return manifestSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new UpkeepRefusal(`The manifest.json in ${dir} is not one of this version.`, { cause });
  }
}

/** Reads which folders a backup holds. */
export async function readSavedFolders(dir: string): Promise<SavedFolder[]> {
  const text = await readFile(layoutOf(dir).folders, 'utf8');
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => folderSchema.parse(JSON.parse(line)));
}

/** Lines of JSON. */
export function toLines(values: readonly unknown[]): string {
  return values.map((value) => `${JSON.stringify(value)}\n`).join('');
}
