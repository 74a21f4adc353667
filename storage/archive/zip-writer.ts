import { crc32 } from 'node:zlib';
import type { WalkedEntry } from '../volume.ts';
import type { ArchiveProgress } from './archive-order.ts';
import { deflateWhole } from './deflate.ts';
import { createFileBatch, type FileBatch } from './file-batch.ts';
import { openOrOmit, orOmit } from './open-or-omit.ts';
import { packLargeFile } from './pack-large-file.ts';
import { type FilesPacked, packedNumbers, packOutcomes, smallFileBytesMax } from './pack-tasks.ts';
import { endRecords, localHeader, nameBytesMax, type ZipEntry, zipEntry, zipMethods } from './zip-format.ts';
import { openZip, type ZipOptions, type ZipState } from './zip-state.ts';

/** Writes a zip entry by entry, in the order of `add`. Not for concurrent use; `settle` must be awaited at the end. */
export interface ZipWriter {
  readonly done: ArchiveProgress;
  /** Takes a file or directory; one that cannot be read any more becomes an omission. */
  add(walked: WalkedEntry): Promise<void>;
  /** Writes everything taken so far. */
  drain(): Promise<void>;
  /** Writes a text of the service's own. Only after `drain`. */
  addText(name: string, text: string): Promise<void>;
  /** Writes the end of the zip, but does not end the output. Only after `drain`. */
  finish(): Promise<void>;
  /** Waits until no thread works for this zip, and every file is closed. */
  settle(): Promise<void>;
}

async function writeBatch(zip: ZipState, batch: FileBatch, packed: FilesPacked): Promise<void> {
  const { offset } = zip.output;
  await zip.output.write(packed.bytes);
  let bytes = 0;
  let entries = 0;
  for (const [index, { entry, path }] of batch.entries.entries()) {
    const number = (name: keyof typeof packedNumbers) =>
      packed.numbers[index * packedNumbers.count + packedNumbers[name]] ?? 0;
    const outcome = packOutcomes[number('outcome')] ?? 'unreadable';
    if (outcome !== 'whole') zip.omissions.add({ path: path.join('/'), reason: outcome });
    if (number('offset') < 0) continue;
    const content = {
      method: number('method'),
      crc32: number('crc32'),
      packedBytes: number('packedBytes'),
      sizeBytes: number('sizeBytes'),
      hasDescriptor: false,
    };
    zip.central.add({ entry, content, offset: offset + number('offset') });
    bytes += content.sizeBytes;
    entries += 1;
  }
  zip.count({ entries, bytes });
}

async function startBatch(zip: ZipState, batch: FileBatch): Promise<FilesPacked> {
  try {
    return await zip.packer.packFiles(batch.toTask());
  } finally {
    batch.release();
  }
}

async function addText(zip: ZipState, name: string, text: string): Promise<void> {
  const raw = Buffer.from(text);
  const deflated = deflateWhole(raw);
  const entry: ZipEntry = { name: Buffer.from(name), mode: 0o100644, time: Date.now() / 1000 };
  const content = {
    method: deflated === null ? zipMethods.stored : zipMethods.deflated,
    crc32: crc32(raw),
    packedBytes: deflated?.length ?? raw.length,
    sizeBytes: raw.length,
  };
  const { offset } = zip.output;
  await zip.output.write(localHeader(entry, content));
  await zip.output.write(deflated ?? raw);
  zip.central.add({ entry, content: { ...content, hasDescriptor: false }, offset });
}

async function writeEnd({ output, central }: ZipState): Promise<void> {
  const { offset } = output;
  await output.writeMade(central.chunkBytes, central.chunks);
  const { entries, sizeBytes } = central;
  await output.write(endRecords({ entries, offset, sizeBytes }));
}

/** A writer for one zip. */
export function createZipWriter(options: ZipOptions): ZipWriter {
  const zip = openZip(options);
  const { omissions } = options;
  const closing = new Set<Promise<void>>();
  let batch = createFileBatch();
  const flush = async (): Promise<void> => {
    if (batch.entries.length === 0) return;
    const full = batch;
    batch = createFileBatch();
    await zip.steps.push(full.sizeBytes, startBatch(zip, full), async (packed) => {
      await writeBatch(zip, full, packed);
      full.forget();
    });
  };
  const addLarge = async (entry: ZipEntry, walked: WalkedEntry): Promise<void> => {
    await flush();
    const file = await openOrOmit(walked, omissions);
    if (file === undefined) return;
    try {
      await packLargeFile(zip, { entry, path: walked.path }, file);
    } finally {
      // Closes when the last part is read; the next file need not wait for that. A failing close loses nothing then.
      const closed = file.close().catch(() => undefined);
      closing.add(closed);
      void closed.then(() => closing.delete(closed));
    }
  };
  return {
    done: zip.done,
    async add(walked) {
      options.output.signal.throwIfAborted();
      const entry = zipEntry(walked.path, walked.stat);
      if (entry.name.length > nameBytesMax) {
        omissions.add({ path: walked.path.join('/'), reason: 'name_too_long' });
      } else if (walked.stat.kind === 'file' && walked.stat.sizeBytes > smallFileBytesMax) {
        await addLarge(entry, walked);
      } else {
        await orOmit(walked, omissions, () => batch.add(entry, walked));
        if (batch.isFull) await flush();
      }
    },
    async drain() {
      await flush();
      await zip.steps.drain();
    },
    addText: (name, text) => addText(zip, name, text),
    finish: () => writeEnd(zip),
    async settle() {
      batch.release();
      await zip.steps.settle();
      await Promise.all(closing);
    },
  };
}
