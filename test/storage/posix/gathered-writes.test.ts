import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { noBulkhead } from '../../../storage/posix/bulkhead.ts';
import { type Descriptor, ownDescriptor } from '../../../storage/posix/descriptor.ts';
import { gatherWrites } from '../../../storage/posix/gathered-writes.ts';

const mib = 1024 ** 2;
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function open(path: string): Descriptor {
  const file = ownDescriptor(openSync(path, 'w'), closeSync, noBulkhead);
  closers.push(() => file.close());
  return file;
}

describe('gatherWrites', () => {
  it('writes everything in order, also what is synced on the way', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'gathered-'));
    closers.push(() => rmSync(directory, { recursive: true }));
    const path = join(directory, 'file');
    const writes = gatherWrites(open(path), 0);
    const chunks = Array.from({ length: 40 }, (_, index) => Buffer.alloc(mib + index, index + 1));
    for (const chunk of chunks) await writes.add(chunk);
    await writes.flush();
    expect(readFileSync(path).equals(Buffer.concat(chunks))).toBe(true);
  });

  it('reports a sync on the way that failed, although the writes go on to succeed', async () => {
    // Takes every write and refuses every sync.
    const writes = gatherWrites(open('/dev/null'), 0);
    const work = async () => {
      for (let index = 0; index < 20; index += 1) await writes.add(Buffer.alloc(mib));
      await writes.flush();
    };
    await expect(work()).rejects.toMatchObject({ code: 'EINVAL' });
  });

  it('does not sync what is short', async () => {
    const writes = gatherWrites(open('/dev/null'), 0);
    await writes.add(Buffer.alloc(10 * mib));
    await expect(writes.flush()).resolves.toBeUndefined();
  });
});
