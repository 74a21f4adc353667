import { closeSync, fstatSync, openSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ownDescriptor } from '../../../storage/posix/handles/descriptor.ts';

function openTracked(): { fd: number; closed: number[]; close: (fd: number) => void } {
  const closed: number[] = [];
  const fd = openSync('/', 'r');
  return {
    fd,
    closed,
    close(number) {
      closed.push(number);
      closeSync(number);
    },
  };
}

it('closes at once when nothing borrows the number', async () => {
  const { fd, closed, close } = openTracked();
  const descriptor = ownDescriptor(fd, close);
  const closing = descriptor.close();
  expect(closed).toEqual([fd]);
  await closing;
});

it('stays open until the last pending operation has settled', async () => {
  const { fd, closed, close } = openTracked();
  const descriptor = ownDescriptor(fd, close);
  const finishers: (() => void)[] = [];
  const operations = [1, 2].map(() =>
    descriptor.using(
      (number) =>
        new Promise<boolean>((resolve) => {
          finishers.push(() => resolve(fstatSync(number).isDirectory()));
        }),
    ),
  );
  const closing = descriptor.close();
  expect(descriptor.isOpen()).toBe(false);
  expect(closed).toEqual([]);
  finishers[0]?.();
  await operations[0];
  expect(closed).toEqual([]);
  finishers[1]?.();
  expect(await Promise.all(operations)).toEqual([true, true]);
  await closing;
  expect(closed).toEqual([fd]);
});

it('gives the number back after an operation that fails', async () => {
  const { fd, closed, close } = openTracked();
  const descriptor = ownDescriptor(fd, close);
  await expect(descriptor.using(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
  await descriptor.close();
  expect(closed).toEqual([fd]);
});

it('is closed by its last owner only, and once', async () => {
  const { fd, closed, close } = openTracked();
  const first = ownDescriptor(fd, close);
  const second = first.share();
  await first.close();
  await first.close();
  expect(closed).toEqual([]);
  expect(second.usingSync((number) => fstatSync(number).isDirectory())).toBe(true);
  await second.close();
  await second.close();
  expect(closed).toEqual([fd]);
});

it('refuses every use after it was closed', async () => {
  const { fd, close } = openTracked();
  const descriptor = ownDescriptor(fd, close);
  await descriptor.close();
  await expect(descriptor.using(async () => 1)).rejects.toThrow('before it is closed');
  expect(() => descriptor.usingSync(() => 1)).toThrow('before it is closed');
  expect(() => descriptor.share()).toThrow('before it is closed');
});

it('tells whoever awaits the close of a failure to close', async () => {
  const { fd } = openTracked();
  const descriptor = ownDescriptor(fd, (number) => {
    closeSync(number);
    throw new Error('close failed');
  });
  await expect(descriptor.close()).rejects.toThrow('close failed');
});
