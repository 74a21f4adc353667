import { randomBytes } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Descriptor, ownDescriptor } from '../../../../storage/posix/handles/descriptor.ts';
import { gatherWrites } from '../../../../storage/posix/staging/gathered-writes.ts';
import { createTempDir, type TempDir } from '../../../support/temp-dir.ts';

let dir: TempDir;
let path: string;
const closers: (() => Promise<void>)[] = [];
beforeEach(async () => {
  dir = await createTempDir();
  path = join(dir.path, 'file');
});
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
  await dir.remove();
});

async function openAs(flags: string): Promise<Descriptor> {
  const handle = await open(path, flags);
  const file = ownDescriptor(handle.fd, () => handle.close());
  closers.push(() => file.close());
  return file;
}

describe('gatherWrites', () => {
  it('tells of each chunk once it is written, so that its memory may be used for something else', async () => {
    const content = randomBytes(5 * 1024 * 1024 + 17);
    const writes = gatherWrites(await openAs('w'), 0);
    const told: Uint8Array[] = [];
    const given: Uint8Array[] = [];
    for (let at = 0; at < content.length; at += 100_000) {
      const chunk = Buffer.from(content.subarray(at, at + 100_000));
      given.push(chunk);
      await writes.add(chunk, (written) => {
        told.push(written);
        written.fill(0);
      });
    }
    expect(told.length).toBeLessThan(given.length);
    await writes.flush();
    expect(told).toHaveLength(given.length);
    expect(told.every((chunk, index) => chunk === given[index])).toBe(true);
    expect(content.equals(await readFile(path))).toBe(true);
  });

  it('tells of none that could not be written, which a write that was given up may still read', async () => {
    await (await open(path, 'w')).close();
    const writes = gatherWrites(await openAs('r'), 0);
    let told = 0;
    const onWritten = () => {
      told += 1;
    };
    await writes.add(Buffer.alloc(2 * 1024 * 1024), onWritten);
    await expect(writes.flush()).rejects.toMatchObject({ code: 'EBADF' });
    await expect(writes.add(Buffer.alloc(2 * 1024 * 1024), onWritten)).rejects.toMatchObject({
      code: 'EBADF',
    });
    expect(told).toBe(0);
  });
});
