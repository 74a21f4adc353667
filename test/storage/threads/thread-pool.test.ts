import { afterAll, describe, expect, it } from 'vitest';
import { createPacker } from '../../../storage/archive/packer.ts';
import { createThreadPool } from '../../../storage/threads/thread-pool.ts';

const packer = createPacker();
const extraneous = createThreadPool<string, string>(new URL('./fixtures/odd-thread.ts', import.meta.url));

afterAll(async () => {
  await packer.close();
  await extraneous.close();
});

describe('a pool of threads', () => {
  it('answers each task with its own result, in whatever order they end', async () => {
    const words = Array.from({ length: 50 }, (_, index) => `word ${index}`);
    expect(await Promise.all(words.map((word) => extraneous.run(word)))).toEqual(
      words.map((word) => `<${word}>`),
    );
  });

  it('hands on the error number of a failed system call', async () => {
    await expect(extraneous.run('open')).rejects.toMatchObject({ code: 'ENOENT', errno: -2 });
  });

  it('rejects what a dying thread had, and goes on with another', async () => {
    await expect(extraneous.run('die')).rejects.toThrow('ended before');
    expect(await extraneous.run('again')).toBe('<again>');
  });

  it('rejects what still runs when it is closed, and can be used again', async () => {
    const running = extraneous.run('sleep');
    const closed = extraneous.close();
    await expect(running).rejects.toThrow('ended before');
    await closed;
    expect(await extraneous.run('again')).toBe('<again>');
  });

  it('gives a failed read the code of the volume', async () => {
    await expect(packer.packPart({ fd: 1_000_000, position: 0, length: 10 })).rejects.toMatchObject({
      code: 'volume_unavailable',
    });
  });
});
