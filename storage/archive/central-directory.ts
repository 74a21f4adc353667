import { type CentralNote, createCentralNotes } from './central-notes.ts';
import { centralRecordBytes, writeCentralRecord } from './zip-format.ts';

/** Bytes of records made at once: a message to the disk that pays, and no long turn of the event loop. */
const chunkBytesMax = 256 * 1024;

/** The records that end a zip, noted while its entries are written; in memory, but small. */
export interface CentralDirectory {
  readonly entries: number;
  /** Of the records. */
  readonly sizeBytes: number;
  /** Notes an entry; they come in the order of their offsets. */
  add(note: CentralNote): void;
  /** Bytes that a buffer of {@link chunks} needs. */
  readonly chunkBytes: number;
  /** All records in their order, each chunk at the beginning of the buffer that `nextBuffer` gave for it. */
  chunks(nextBuffer: () => Buffer): Generator<Uint8Array>;
}

/** An empty directory. */
export function createCentralDirectory(): CentralDirectory {
  const notes = createCentralNotes();
  let entries = 0;
  let sizeBytes = 0;
  let recordBytesMax = 0;
  return {
    get entries() {
      return entries;
    },
    get sizeBytes() {
      return sizeBytes;
    },
    get chunkBytes() {
      return Math.max(recordBytesMax, Math.min(chunkBytesMax, sizeBytes));
    },
    add(note) {
      const bytes = centralRecordBytes(note.entry, note.content, note.offset);
      notes.add(note);
      entries += 1;
      sizeBytes += bytes;
      recordBytesMax = Math.max(recordBytesMax, bytes);
    },
    *chunks(nextBuffer) {
      if (entries === 0) return;
      let buffer = nextBuffer();
      let used = 0;
      for (const { entry, content, offset } of notes.read()) {
        if (used + centralRecordBytes(entry, content, offset) > buffer.length) {
          yield buffer.subarray(0, used);
          buffer = nextBuffer();
          used = 0;
        }
        used = writeCentralRecord(buffer, used, { entry, content, offset });
      }
      yield buffer.subarray(0, used);
    },
  };
}
