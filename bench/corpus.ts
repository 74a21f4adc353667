import { randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const mebibyte = 1024 * 1024;
const words =
  'a folder is named persistent shareable quota bound directory that compute sessions mount and people reach over HTTP {"id": 17, "state": "running"} 0x4f52 \n'.split(
    ' ',
  );

/** Text that deflates about as source code does; the same for the same `seed`. */
function textOf(sizeBytes: number, seed: number): Buffer {
  let state = seed * 2_654_435_761 + 1;
  const next = (): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state >>> 8;
  };
  const parts: string[] = [];
  for (let length = 0; length < sizeBytes; ) {
    const word = next() % 4 === 0 ? next().toString(36) : (words[next() % words.length] ?? '');
    parts.push(word);
    length += word.length + 1;
  }
  return Buffer.from(parts.join(' ')).subarray(0, sizeBytes);
}

/** `count` files of `sizeBytes` of text, a hundred to a directory. */
export async function makeSmallFiles(root: string, count: number, sizeBytes: number): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    const directory = join(root, `d${Math.floor(index / 100)}`);
    if (index % 100 === 0) await mkdir(directory, { recursive: true });
    await writeFile(join(directory, `f${index}.txt`), textOf(sizeBytes, index));
  }
}

/** `count` files of no bytes, a thousand to a directory. */
export async function makeEmptyFiles(root: string, count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    const directory = join(root, `directory-${Math.floor(index / 1000)}`);
    if (index % 1000 === 0) await mkdir(directory, { recursive: true });
    touch(join(directory, `file-${index}.bin`));
  }
}

/** `count` files of 5 MiB, text and noise by turns. */
export async function makeMixedFiles(root: string, count: number): Promise<void> {
  await mkdir(root, { recursive: true });
  for (let index = 0; index < count; index += 1) {
    const content = index % 2 === 0 ? textOf(5 * mebibyte, index) : randomBytes(5 * mebibyte);
    await writeFile(join(root, `m${index}.bin`), content);
  }
}

/** One file, text and noise by turns of 8 MiB. */
export async function makeLargeFile(root: string, sizeBytes: number): Promise<void> {
  await mkdir(root, { recursive: true });
  const file = await open(join(root, 'large.bin'), 'w');
  const text = textOf(8 * mebibyte, 1);
  for (let at = 0; at < sizeBytes; at += text.length) {
    await file.write((at / text.length) % 2 === 0 ? text : randomBytes(text.length));
  }
  await file.close();
}

function touch(path: string): void {
  closeSync(openSync(path, 'w'));
}

/** `files` files of no bytes in one directory. */
export function makeFlat(path: string, files: number): void {
  mkdirSync(path);
  for (let index = 0; index < files; index += 1) touch(join(path, `file-${index}.txt`));
}

/** `files` files of no bytes, a hundred to a directory. */
export function makeWide(path: string, files: number): void {
  mkdirSync(path);
  for (let index = 0; index < files / 100; index += 1) makeFlat(join(path, `directory-${index}`), 100);
}

/** `files` files of no bytes, one to a directory, in chains of 200 directories. */
export function makeDeep(path: string, files: number): void {
  const depth = 200;
  mkdirSync(path);
  for (let chain = 0; chain < files / depth; chain += 1) {
    let end = join(path, `chain-${chain}`);
    for (let level = 0; level < depth; level += 1) {
      mkdirSync(end);
      touch(join(end, 'file'));
      end = join(end, 'd');
    }
  }
}
