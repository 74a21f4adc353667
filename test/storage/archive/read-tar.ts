import type { ReadEntry } from './read-zip.ts';

function text(block: Buffer, offset: number, length: number): string {
  const field = block.subarray(offset, offset + length);
  const end = field.indexOf(0);
  return field.subarray(0, end < 0 ? length : end).toString('utf8');
}

function octal(block: Buffer, offset: number, length: number): number {
  const first = block[offset] ?? 0;
  if ((first & 0x80) !== 0)
    return Number(BigInt(`0x00${block.subarray(offset + 1, offset + length).toString('hex')}`));
  return Number.parseInt(text(block, offset, length).trim(), 8);
}

function requireChecksum(block: Buffer): void {
  let sum = 0;
  for (let index = 0; index < 512; index += 1) {
    sum += index >= 148 && index < 156 ? 32 : (block[index] ?? 0);
  }
  if (sum !== octal(block, 148, 8)) throw new Error('A tar header has a wrong checksum.');
}

function readPax(content: Buffer): Map<string, string> {
  const records = new Map<string, string>();
  let offset = 0;
  while (offset < content.length) {
    const space = content.indexOf(32, offset);
    const length = Number.parseInt(content.subarray(offset, space).toString(), 10);
    const record = content.subarray(space + 1, offset + length - 1).toString('utf8');
    const mark = record.indexOf('=');
    records.set(record.slice(0, mark), record.slice(mark + 1));
    offset += length;
  }
  return records;
}

function toEntry(block: Buffer, pax: ReadonlyMap<string, string>, content: Buffer): ReadEntry {
  const type = String.fromCharCode(block[156] ?? 0);
  if (type !== '0' && type !== '5') throw new Error(`The tar holds an entry of type ${type}.`);
  const prefix = text(block, 345, 155);
  const plain = text(block, 0, 100);
  const name = pax.get('path') ?? (prefix === '' ? plain : `${prefix}/${plain}`);
  return {
    name: name.replace(/\/+$/, ''),
    type: type === '5' ? 'directory' : 'file',
    mode: octal(block, 100, 8),
    mtime: Number(pax.get('mtime') ?? octal(block, 136, 12)),
    content: Buffer.from(content),
  };
}

/** Reads a POSIX tar with extended headers; refuses anything but files and directories, and a missing end mark. */
export function readTar(tar: Buffer): ReadEntry[] {
  const entries: ReadEntry[] = [];
  let pax = new Map<string, string>();
  for (let offset = 0; offset < tar.length; ) {
    const block = tar.subarray(offset, offset + 512);
    if (block.every((byte) => byte === 0)) {
      if (tar.length - offset < 1024) throw new Error('The tar ends with less than two zero blocks.');
      return entries;
    }
    requireChecksum(block);
    const size = octal(block, 124, 12);
    const content = tar.subarray(offset + 512, offset + 512 + size);
    if (content.length !== size) throw new Error('The tar ends inside an entry.');
    if (String.fromCharCode(block[156] ?? 0) === 'x') pax = readPax(content);
    else {
      entries.push(toEntry(block, pax, content));
      pax = new Map();
    }
    offset += 512 + Math.ceil(size / 512) * 512;
  }
  throw new Error('The tar has no end.');
}
