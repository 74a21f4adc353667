import type { ServerResponse } from 'node:http';
import { domainError } from '../../domain/errors.ts';
import type { OpenFile } from '../../storage/volume.ts';
import type { ByteRange } from './byte-range.ts';
import type { Pace, UnsentBytes } from './rate-guard.ts';
import { sendToReader } from './send-to-reader.ts';
import type { AccessWatch } from './watch-access.ts';
import type { ReaderWatch } from './watch-reader.ts';

/**
 * Bytes read and sent at once. Two such blocks serve a whole answer, one being filled while the other goes out: memory that
 * is new for every block costs as much as reading it.
 */
const blockBytes = 512 * 1024;

/** A part of a file to send. */
export interface SpanToSend extends Pick<OpenFile, 'read' | 'content'> {
  readonly range: ByteRange;
  readonly outgoing: ServerResponse;
  /** Writes the head, which promises as many bytes as the range has. Called once the first bytes are read. */
  readonly writeHead: () => void;
  /** Cuts the answer when it is over. */
  readonly access: Pick<AccessWatch, 'signal' | 'isOver'>;
  readonly unsentBytes?: UnsentBytes | undefined;
  readonly pace?: Pace;
}

/** A block with what was read of its place. */
interface Filled {
  readonly block: Uint8Array;
  readonly bytes: Uint8Array;
}

/** Reads into `block` what comes at `position`. @throws volume_unavailable; entry_changed when the file ends before */
async function fill(
  { read, range }: Pick<SpanToSend, 'read' | 'range'>,
  block: Uint8Array,
  position: number,
): Promise<Filled> {
  const bytes = block.subarray(0, Math.min(block.byteLength, range.end + 1 - position));
  const count = await read(bytes, position);
  if (count === bytes.byteLength) return { block, bytes };
  throw domainError('entry_changed', 'The file became shorter while it was read.');
}

/** Content that is in memory needs no block. */
async function fillFirst(span: SpanToSend, sizeBytes: number): Promise<Filled> {
  const { range, content } = span;
  const bytes = content?.subarray(range.start, range.end + 1);
  if (bytes?.byteLength === sizeBytes) return { block: bytes, bytes };
  return await fill(span, makeBlock(sizeBytes), range.start);
}

function makeBlock(sizeBytes: number): Uint8Array {
  return Buffer.allocUnsafeSlow(Math.min(blockBytes, sizeBytes));
}

/** Sends what follows `first` as well: each block is read while the one before goes out. */
async function pump(span: SpanToSend, first: Filled, reader: ReaderWatch): Promise<void> {
  const { start, end } = span.range;
  let spare: Uint8Array | undefined;
  let current = first;
  for (let position = start + current.bytes.byteLength; ; position += current.bytes.byteLength) {
    const isLast = position > end;
    const next = isLast ? undefined : fill(span, spare ?? makeBlock(end + 1 - position), position);
    // It is met below; until then it must not count as unhandled.
    next?.catch(() => undefined);
    await reader.write(current.bytes);
    if (next === undefined) return;
    spare = current.block;
    current = await reader.outlast(next);
  }
}

async function sendWatched(span: SpanToSend, first: Filled, isWhole: boolean): Promise<boolean> {
  const { outgoing, access, unsentBytes, pace } = span;
  const answer = { outgoing, signal: access.signal, unsentBytes, ...(pace === undefined ? {} : { pace }) };
  return await sendToReader(answer, async (reader) => {
    if (!isWhole) await pump(span, first, reader);
  });
}

/**
 * Sends a part of a file to the raw socket in step with its reader and ends the answer, as `sendBody` does with a stream. What
 * the kernel takes at once is gone without a watch on its reader.
 * @returns whether all of it was handed over; false when the reader or `access` ended it
 * @throws volume_unavailable when it cannot be read, entry_changed when it became shorter: before the head, or after cutting the answer
 */
export async function sendSpan(span: SpanToSend): Promise<boolean> {
  const { range, outgoing, writeHead, access } = span;
  const sizeBytes = range.end - range.start + 1;
  const first = await fillFirst(span, sizeBytes);
  if (access.isOver) {
    outgoing.destroy();
    return false;
  }
  writeHead();
  const isWhole = first.bytes.byteLength === sizeBytes;
  if (isWhole) {
    outgoing.end(first.bytes);
    if (outgoing.writableFinished) return true;
  }
  return await sendWatched(span, first, isWhole);
}
