import { createHash, type Hash } from 'node:crypto';
import { crc32 } from 'node:zlib';

/** Digests of a beginning of a file, which go on with what follows. */
export interface RunningDigest {
  update(chunk: Uint8Array): void;
  /** The same state again, to come back to. */
  copy(): RunningDigest;
  /** Ends it. */
  finish(): { readonly sha256: string; readonly crc32: number };
}

/** Digests of uploads that this process has received from their beginning. */
export interface DigestCache {
  /** The digest of the first `offsetBytes` of an upload, if this process knows it; it is taken out. */
  take(uploadId: string, offsetBytes: number): RunningDigest | undefined;
  /** Keeps one for the next request. Only for bytes whose offset is recorded: those never change again. */
  keep(uploadId: string, offsetBytes: number, digest: RunningDigest): void;
}

/** Uploads whose digests a process remembers; one costs less than a kilobyte. What it forgets the commit reads again. */
const rememberedMax = 4096;

function runningDigest(sha256: Hash, sum: number): RunningDigest {
  let crc = sum;
  return {
    update: (chunk) => {
      sha256.update(chunk);
      crc = crc32(chunk, crc);
    },
    copy: () => runningDigest(sha256.copy(), crc),
    finish: () => ({ sha256: sha256.digest('hex'), crc32: crc }),
  };
}

/** Makes an empty cache, for one process. */
export function openDigestCache(): DigestCache {
  const known = new Map<string, { readonly offsetBytes: number; readonly digest: RunningDigest }>();
  return {
    take: (uploadId, offsetBytes) => {
      if (offsetBytes === 0) return runningDigest(createHash('sha256'), 0);
      const found = known.get(uploadId);
      known.delete(uploadId);
      return found?.offsetBytes === offsetBytes ? found.digest : undefined;
    },
    keep: (uploadId, offsetBytes, digest) => {
      known.delete(uploadId);
      known.set(uploadId, { offsetBytes, digest });
      const [oldest] = known.keys();
      if (known.size > rememberedMax && oldest !== undefined) known.delete(oldest);
    },
  };
}
