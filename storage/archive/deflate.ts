import { constants, deflateRawSync } from 'node:zlib';

// Networks and disks outrun deflate at its default level; level 1 is the one that keeps up.
const level = constants.Z_BEST_SPEED;
/** Content up to this size is simply tried; above, a sample says whether that is worth it. */
const triedBytesMax = 16 * 1024;
const samples = 4;
const sampleBytes = 4 * 1024;
/** What deflate must save to be worth the time of whoever unpacks. */
const gainMin = 0.03;

function gains(sizeBytes: number, packedBytes: number): boolean {
  return packedBytes < sizeBytes * (1 - gainMin);
}

function deflate(bytes: Uint8Array, finishFlush: number): Buffer {
  // Room for all of it at once: growing the output costs more than deflating a small file.
  return deflateRawSync(bytes, { level, finishFlush, chunkSize: Math.max(128, bytes.length + 64) });
}

/** Tells from pieces spread over the content whether deflate would gain. */
function samplePays(bytes: Uint8Array): boolean {
  if (bytes.length <= triedBytesMax) return true;
  const stride = Math.floor((bytes.length - sampleBytes) / (samples - 1));
  const pieces = Array.from({ length: samples }, (_, index) =>
    bytes.subarray(index * stride, index * stride + sampleBytes),
  );
  return gains(samples * sampleBytes, deflate(Buffer.concat(pieces), constants.Z_FINISH).length);
}

/** A whole deflate stream of `bytes`, or `null` when that is hardly smaller. */
export function deflateWhole(bytes: Uint8Array): Uint8Array | null {
  if (!samplePays(bytes)) return null;
  const deflated = deflate(bytes, constants.Z_FINISH);
  return gains(bytes.length, deflated.length) ? deflated : null;
}

/**
 * A piece of a deflate stream that ends on a byte boundary and refers to nothing before it, or `null` when that is
 * hardly smaller. Referring to the part before would save little and tie this part to bytes that a container may have
 * changed between the two reads.
 */
export function deflatePart(bytes: Uint8Array): Uint8Array | null {
  if (!samplePays(bytes)) return null;
  const deflated = deflate(bytes, constants.Z_SYNC_FLUSH);
  return gains(bytes.length, deflated.length) ? deflated : null;
}

/** A last, empty block: ends a stream of parts (RFC 1951 §3.2.6). */
export const deflateEnd = Uint8Array.of(0x03, 0x00);

const storedBlockBytesMax = 0xffff;

/** `bytes` as blocks of a deflate stream that hold them as they are (RFC 1951 §3.2.4); must start on a byte boundary. */
export function storedBlocks(bytes: Uint8Array): Buffer {
  const blocks = Math.ceil(bytes.length / storedBlockBytesMax);
  const framed = Buffer.allocUnsafeSlow(bytes.length + 5 * blocks);
  let at = 0;
  for (let start = 0; start < bytes.length; start += storedBlockBytesMax) {
    const block = bytes.subarray(start, start + storedBlockBytesMax);
    framed[at] = 0;
    framed.writeUInt16LE(block.length, at + 1);
    framed.writeUInt16LE(block.length ^ 0xffff, at + 3);
    framed.set(block, at + 5);
    at += 5 + block.length;
  }
  return framed;
}
