import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, constants, openSync } from 'node:fs';
import fs from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type Bulkhead, type BulkheadLimits, createBulkhead } from '../../../storage/posix/bulkhead.ts';
import { openPosixVolume, type PosixVolume } from '../../../storage/posix/posix-volume.ts';
import { eventually } from '../../support/eventually.ts';
import { createTempDir } from '../../support/temp-dir.ts';
import { at, codeOf, openTestVolume, readAll } from '../test-volume.ts';
import { describeVolumeContract } from '../volume-contract.ts';

/** With room for one call, a call inside another one would wait for itself. */
describeVolumeContract('a posix volume behind a bulkhead for one call', () =>
  openTestVolume({ bulkhead: createBulkhead({ callsMax: 1 }) }),
);

/** Soon enough for a test, late enough that nothing in order is refused. */
const impatient = { waitMs: 200, answerMs: 1_000 };
/** libuv's pool in a test process. */
const threads = Number(process.env.UV_THREADPOOL_SIZE ?? 4);

/** A volume whose calls, once it hangs, each keep a thread as a dead mount does: in open(2) of a fifo nobody writes. */
interface HangingVolume {
  readonly volume: PosixVolume;
  readonly folderId: string;
  hang(): void;
  /** Calls that hang at this moment. */
  hanging(): number;
  /** Lets every hanging call go on and hangs no more. */
  recover(): Promise<void>;
  remove(): Promise<void>;
}

async function openHangingVolume(limits: Partial<BulkheadLimits>): Promise<HangingVolume> {
  const dir = await createTempDir();
  const fifo = join(dir.path, 'fifo');
  execFileSync('mkfifo', [fifo]);
  let isHung = false;
  let hanging = 0;
  const outer = createBulkhead(limits);
  const bulkhead: Bulkhead = {
    run: (call, options, loan) => {
      const hung = async () => {
        if (isHung) {
          hanging += 1;
          await (await fs.open(fifo, 'r')).close();
          hanging -= 1;
        }
        return call();
      };
      return outer.run(hung, options, loan);
    },
    requireMoving: outer.requireMoving,
  };
  const volume = await openPosixVolume({ name: 'hung', root: join(dir.path, 'volume'), bulkhead });
  const folderId = randomUUID();
  await volume.createFolder(folderId);
  const recover = async () => {
    isHung = false;
    await eventually(() => {
      // Readers wait in open(2) until there is a writer; without a reader a writer that does not wait is refused.
      try {
        closeSync(openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK));
      } catch {}
      expect(hanging).toBe(0);
    });
  };
  return {
    volume,
    folderId,
    hang: () => {
      isHung = true;
    },
    hanging: () => hanging,
    recover,
    async remove() {
      await recover();
      await volume.close();
      await dir.remove();
    },
  };
}

/** Puts a file that has to be read by descriptor. */
async function putLargeFile({ volume, folderId }: HangingVolume): Promise<void> {
  const stageId = randomUUID();
  const writer = await volume.createStage(folderId, stageId);
  await writer.write(Buffer.alloc(1_000_000, 1));
  await writer.finish();
  await volume.commitStage(folderId, stageId, at('file'));
}

describe('a hung volume', () => {
  const open: HangingVolume[] = [];
  const start = async (limits: Partial<BulkheadLimits>) => {
    const hung = await openHangingVolume({ ...impatient, ...limits });
    open.push(hung);
    return hung;
  };
  afterEach(async () => {
    for (const hung of open.splice(0)) await hung.remove();
  });

  it('leaves another volume its threads, however many calls it gets', async () => {
    const hung = await start({ callsMax: threads - 1 });
    const healthy = await openTestVolume();
    hung.hang();
    const calls = Array.from({ length: 100 }, () => codeOf(hung.volume.stat(hung.folderId, at('a'))));
    await eventually(() => expect(hung.hanging()).toBe(threads - 1));
    await healthy.volume.makeDirectory(healthy.folderId, at('b'), { parents: false, existOk: false });
    expect(await healthy.volume.stat(healthy.folderId, at('b'))).toMatchObject({ kind: 'directory' });
    expect(hung.hanging()).toBe(threads - 1);
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['volume_unavailable']));
    await healthy.close();
  });

  it('takes all of them without a bulkhead, which is what this suite would notice', async () => {
    const hung = await start({ callsMax: 1000, answerMs: 60_000 });
    const healthy = await openTestVolume();
    hung.hang();
    const calls = Array.from({ length: 20 }, () => codeOf(hung.volume.stat(hung.folderId, at('a'))));
    await eventually(() => expect(hung.hanging()).toBe(20));
    let isAnswered = false;
    const asked = healthy.volume.stat(healthy.folderId, at('b')).then(() => {
      isAnswered = true;
    });
    await expect(eventually(() => expect(isAnswered).toBe(true), { timeoutMs: 500 })).rejects.toThrow();
    await hung.recover();
    await asked;
    await Promise.all(calls);
    await healthy.close();
  });

  it('is refused at once while nothing moves, also to synchronous work, and serves again when it recovers', async () => {
    const hung = await start({ callsMax: 2 });
    hung.hang();
    const first = Array.from({ length: 4 }, () => codeOf(hung.volume.stat(hung.folderId, at('a'))));
    expect(await Promise.all(first)).toEqual(Array(4).fill('volume_unavailable'));
    let turns = 0;
    setImmediate(() => {
      turns += 1;
    });
    expect(await codeOf(hung.volume.measure(hung.folderId))).toBe('volume_unavailable');
    expect(turns).toBe(0);
    await hung.recover();
    expect(await hung.volume.stat(hung.folderId, at('a'))).toBeNull();
    expect(await hung.volume.measure(hung.folderId)).toMatchObject({ files: 0 });
  });

  it('answers for a download that it stops in the middle, and for closing it', async () => {
    const hung = await start({ callsMax: 2 });
    await putLargeFile(hung);
    const file = await hung.volume.open(hung.folderId, at('file'));
    hung.hang();
    expect(await codeOf(readAll(file))).toBe('volume_unavailable');
  });

  it('leaves no descriptor open of what it opened for callers that were answered already', async () => {
    const hung = await start({ callsMax: 3 });
    const { volume, folderId } = hung;
    const opened = async () => (await fs.readdir('/proc/self/fd')).length;
    await volume.createStage(folderId, randomUUID()).then((writer) => writer.close());
    await codeOf(volume.list(folderId, at(''), { limit: 10 }));
    await putLargeFile(hung);
    // The thread that opens files stays, with descriptors of its own.
    await volume.open(folderId, at('file')).then((file) => file.close());
    const before = await opened();
    hung.hang();
    const codes = await Promise.all([
      codeOf(volume.createStage(folderId, randomUUID())),
      codeOf(volume.list(folderId, at(''), { limit: 10 })),
      codeOf(volume.open(folderId, at('file'))),
    ]);
    expect(codes).toEqual(Array(3).fill('volume_unavailable'));
    await hung.recover();
    await eventually(async () => expect(await opened()).toBeLessThanOrEqual(before));
  });
});

describe('createBulkhead', () => {
  const never = () => new Promise<never>(() => undefined);

  it('runs as many calls as it has room for and the others in their order', async () => {
    const bulkhead = createBulkhead({ callsMax: 2 });
    const order: number[] = [];
    let running = 0;
    let runningMax = 0;
    const call = (number: number) => async () => {
      running += 1;
      runningMax = Math.max(runningMax, running);
      order.push(number);
      await new Promise(setImmediate);
      running -= 1;
      return number;
    };
    const numbers = Array.from({ length: 20 }, (_, index) => index);
    expect(await Promise.all(numbers.map((number) => bulkhead.run(call(number))))).toEqual(numbers);
    expect(order).toEqual(numbers);
    expect(runningMax).toBe(2);
  });

  it('lets patient calls have half of the room and outlast the others', async () => {
    const bulkhead = createBulkhead({ ...impatient, callsMax: 4 });
    const releases: (() => void)[] = [];
    const flush = () => new Promise<void>((resolve) => releases.push(resolve));
    const flushes = Array.from({ length: 5 }, () => bulkhead.run(flush, { kind: 'patient' }));
    expect(await bulkhead.run(async () => 'quick')).toBe('quick');
    expect(releases).toHaveLength(2);
    await expect(bulkhead.run(never)).rejects.toMatchObject({ code: 'volume_unavailable' });
    for (let done = 0; done < 5; done += 1)
      (await eventually(() => releases[done] ?? Promise.reject(new Error('waits'))))();
    await Promise.all(flushes);
  });

  it('refuses what does not fit into the line, but nothing that is owed', async () => {
    const bulkhead = createBulkhead({ ...impatient, callsMax: 1, queueMax: 1 });
    let release = (): void => undefined;
    const first = bulkhead.run(
      () =>
        new Promise<void>((resolve) => {
          release = resolve;
        }),
    );
    const second = bulkhead.run(async () => 'second');
    await expect(bulkhead.run(async () => 'third')).rejects.toMatchObject({ code: 'volume_unavailable' });
    let isClosed = false;
    const close = async () => {
      isClosed = true;
    };
    const owed = bulkhead.run(close, { kind: 'owed' });
    release();
    await Promise.all([first, second, owed]);
    expect(isClosed).toBe(true);
  });

  it('runs what is owed even after its caller was answered', async () => {
    const bulkhead = createBulkhead({ ...impatient, callsMax: 1 });
    let release = (): void => undefined;
    const first = bulkhead.run(
      () =>
        new Promise<void>((resolve) => {
          release = resolve;
        }),
    );
    let isClosed = false;
    const close = async () => {
      isClosed = true;
    };
    await expect(bulkhead.run(close, { kind: 'owed' })).rejects.toMatchObject({ code: 'volume_unavailable' });
    await expect(first).rejects.toMatchObject({ code: 'volume_unavailable' });
    release();
    await eventually(() => expect(isClosed).toBe(true));
  });
});
