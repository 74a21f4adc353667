import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Less is not worth freeing: the collector has done with it soon. */
const freeBytesMin = 16 * 1024;

function findTransfer(): unknown {
  const known: unknown = Reflect.get(ArrayBuffer.prototype, 'transfer');
  if (known !== undefined) return known;
  // Node 20 has it behind a flag, which counts for what is made after it is set.
  setFlagsFromString('--harmony-rab-gsab-transfer');
  return runInNewContext('ArrayBuffer.prototype.transfer');
}

let transfer: unknown;

/**
 * Frees the memory of a chunk of a stream at once, when the chunk is all there is in it and has 16 KiB at least; nobody may look at the
 * chunk again, which is empty from then on. Without that each chunk lies in new memory until it is collected; so the next one lies where
 * this one was.
 * @returns the bytes that were freed
 */
export function freeMemory(chunk: Uint8Array): number {
  const { buffer, byteLength } = chunk;
  if (byteLength < freeBytesMin || byteLength !== buffer.byteLength) return 0;
  transfer ??= findTransfer();
  if (typeof transfer !== 'function' || !(buffer instanceof ArrayBuffer)) return 0;
  // To one of no length: what it had is let go.
  Reflect.apply(transfer, buffer, [0]);
  return byteLength;
}
