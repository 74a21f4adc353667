import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { parseEntryPath } from '../domain/entry-path.ts';
import type { Volume, WalkedEntry } from '../storage/volume.ts';
import { layoutOf } from './manifest.ts';
import { BackupDamagedError } from './refusal.ts';

const lineSchema = z.object({
  folder: z.uuid(),
  path: z.string(),
  bytes: z.number(),
  /** Lower-case hex. */
  sha256: z.string(),
});

/** A line of `hashes.jsonl`: a file as it was read back from the backup. */
export type HashedFile = z.infer<typeof lineSchema>;

async function hashFile(entry: WalkedEntry): Promise<Pick<HashedFile, 'bytes' | 'sha256'>> {
  const file = await entry.open();
  try {
    const hash = createHash('sha256');
    let bytes = 0;
    for await (const chunk of file.stream()) {
      const part: Uint8Array = chunk;
      hash.update(part);
      bytes += part.byteLength;
    }
    return { bytes, sha256: hash.digest('hex') };
  } finally {
    await file.close();
  }
}

/** Reads every file of a folder, in the order of a walk, which is the same for equal trees. */
export async function* hashFolder(volume: Volume, folderId: string): AsyncGenerator<HashedFile> {
  for await (const entry of volume.walk(folderId, parseEntryPath('', 'read'), {})) {
    if (entry.stat.kind !== 'file') continue;
    yield { folder: folderId, path: entry.path.join('/'), ...(await hashFile(entry)) };
  }
}

/** Compares folders with what a backup noted of them, in the order that it saved them in. */
export interface HashCheck {
  /** @throws when a file is not the one that was saved, is missing, or is one too many */
  requireSame(volume: Volume, folderId: string): Promise<void>;
  close(): void;
}

/** Opens the notes of a backup that was made with `--verify`. */
export function openHashes(dir: string): HashCheck {
  const source = createReadStream(layoutOf(dir).hashes);
  const lines = createInterface({ input: source, crlfDelay: Number.POSITIVE_INFINITY })[
    Symbol.asyncIterator
  ]();
  let next: HashedFile | null | undefined;
  const peek = async (): Promise<HashedFile | null> => {
    if (next !== undefined) return next;
    const line = await lines.next();
    next = line.done === true ? null : lineSchema.parse(JSON.parse(line.value));
    return next;
  };
  const damaged = (folderId: string, path: string) =>
    new BackupDamagedError(
      `The backup is damaged: ${JSON.stringify(path)} of folder ${folderId} is not what was saved.`,
    );
  return {
    requireSame: async (volume, folderId) => {
      for await (const { path, bytes, sha256 } of hashFolder(volume, folderId)) {
        const noted = await peek();
        next = undefined;
        const isSame = noted?.folder === folderId && noted.path === path;
        if (!isSame || noted.bytes !== bytes || noted.sha256 !== sha256) throw damaged(folderId, path);
      }
      const rest = await peek();
      if (rest?.folder === folderId) throw damaged(folderId, rest.path);
    },
    close: () => source.destroy(),
  };
}
