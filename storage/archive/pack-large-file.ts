import type { LendableFile } from '../volume.ts';
import { combineCrc32 } from './crc32-combine.ts';
import { deflateEnd, storedBlocks } from './deflate.ts';
import type { Batched } from './file-batch.ts';
import { type PartPacked, partBytes } from './pack-tasks.ts';
import type { Packer } from './packer.ts';
import { dataDescriptor, localHeader, needsZip64, type ZipContent, zipMethods } from './zip-format.ts';
import { heldBytesMax, type ZipState } from './zip-state.ts';

/** What the parts of a file add up to. */
interface Sum {
  crc32: number;
  packedBytes: number;
  sizeBytes: number;
  missingBytes: number;
}

const emptySum: Sum = { crc32: 0, packedBytes: 0, sizeBytes: 0, missingBytes: 0 };

function addPart(sum: Sum, part: PartPacked, packedBytes: number): void {
  sum.crc32 = combineCrc32(sum.crc32, part.crc32, part.sizeBytes);
  sum.packedBytes += packedBytes;
  sum.sizeBytes += part.sizeBytes;
  sum.missingBytes += part.missingBytes;
}

/** Starts to pack the file part by part, as it is asked for them. */
function* startParts(
  packer: Packer,
  file: LendableFile,
): Generator<{ work: Promise<PartPacked>; length: number }> {
  const { sizeBytes } = file.stat;
  for (let position = 0; position < sizeBytes; position += partBytes) {
    const length = Math.min(partBytes, sizeBytes - position);
    const start = position;
    yield { work: file.lend((fd) => packer.packPart({ fd, position: start, length })), length };
  }
}

function finish(
  zip: ZipState,
  { entry, path }: Batched,
  end: { sum: Sum; content: ZipContent; offset: number; hasDescriptor: boolean },
): void {
  const { sum, content, offset, hasDescriptor } = end;
  zip.central.add({ entry, content: { ...content, hasDescriptor }, offset });
  if (sum.missingBytes > 0) zip.omissions.add({ path: path.join('/'), reason: 'shortened' });
  zip.count({ entries: 1, bytes: 0 });
}

/** Parts of a deflate stream; those that do not gain go in as they are. */
function asStream({ bytes, isDeflated }: PartPacked): Uint8Array {
  return isDeflated ? bytes : storedBlocks(bytes);
}

/** Waits for the whole content, so that the header in front of it is complete and content without gain is stored. */
async function packHeld(zip: ZipState, batched: Batched, file: LendableFile): Promise<void> {
  const work = Promise.all([...startParts(zip.packer, file)].map((part) => part.work));
  await zip.steps.push(file.stat.sizeBytes, work, async (parts) => {
    const isDeflated = parts.some((part) => part.isDeflated);
    const pieces = isDeflated ? [...parts.map(asStream), deflateEnd] : parts.map(({ bytes }) => bytes);
    const sum = { ...emptySum };
    for (const part of parts) addPart(sum, part, 0);
    const content = {
      method: isDeflated ? zipMethods.deflated : zipMethods.stored,
      crc32: sum.crc32,
      packedBytes: pieces.reduce((total, { length }) => total + length, 0),
      sizeBytes: sum.sizeBytes,
    };
    const { offset } = zip.output;
    await zip.output.write(localHeader(batched.entry, content));
    for (const piece of pieces) await zip.output.write(piece);
    zip.count({ entries: 0, bytes: sum.sizeBytes - sum.missingBytes });
    finish(zip, batched, { sum, content, offset, hasDescriptor: false });
  });
}

/** Writes parts as they come; sizes follow the content. Always a deflate stream, for readers without a seek need its end. */
async function packFlowing(zip: ZipState, batched: Batched, file: LendableFile): Promise<void> {
  const wide = { is64: needsZip64(file.stat.sizeBytes) };
  const sum = { ...emptySum };
  let offset = 0;
  const ready = Promise.resolve();
  await zip.steps.push(0, ready, async () => {
    offset = zip.output.offset;
    await zip.output.write(localHeader(batched.entry, wide));
  });
  for (const { work, length } of startParts(zip.packer, file)) {
    await zip.steps.push(length, work, async (part) => {
      const piece = asStream(part);
      addPart(sum, part, piece.length);
      await zip.output.write(piece);
      zip.count({ entries: 0, bytes: part.sizeBytes - part.missingBytes });
    });
  }
  await zip.steps.push(0, ready, async () => {
    const { crc32, sizeBytes } = sum;
    const packedBytes = sum.packedBytes + deflateEnd.length;
    const content = { method: zipMethods.deflated, crc32, packedBytes, sizeBytes };
    await zip.output.write(deflateEnd);
    await zip.output.write(dataDescriptor(content, wide));
    finish(zip, batched, { sum, content, offset, hasDescriptor: true });
  });
}

/**
 * Packs a file in parts, several at once, of exactly the size that it had when it was opened. The file may be closed
 * when this resolves: what is still read keeps it open.
 */
export async function packLargeFile(zip: ZipState, batched: Batched, file: LendableFile): Promise<void> {
  const isHeld = file.stat.sizeBytes <= heldBytesMax(zip);
  await (isHeld ? packHeld(zip, batched, file) : packFlowing(zip, batched, file));
}
