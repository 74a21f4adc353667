import { crc32, inflateRawSync } from 'node:zlib';

/** An entry read back from an archive; `mode` are the permission and type bits as stored. */
export interface ReadEntry {
  readonly name: string;
  readonly type: 'file' | 'directory';
  readonly mode: number;
  readonly mtime: number;
  readonly content: Buffer;
}

interface Directory {
  readonly count: number;
  readonly offset: number;
}

function findDirectory(zip: Buffer): Directory {
  const end = zip.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  if (end < 0) throw new Error('The zip has no end of central directory.');
  const directory = { count: zip.readUInt16LE(end + 10), offset: zip.readUInt32LE(end + 16) };
  if (directory.count !== 0xffff && directory.offset !== 0xffffffff) return directory;
  const locator = end - 20;
  if (locator < 0 || zip.readUInt32LE(locator) !== 0x07064b50) return directory;
  const end64 = Number(zip.readBigUInt64LE(locator + 8));
  return {
    count: Number(zip.readBigUInt64LE(end64 + 32)),
    offset: Number(zip.readBigUInt64LE(end64 + 48)),
  };
}

function readContent(
  zip: Buffer,
  header: number,
  at: { offset: number; packed: number; method: number },
): Buffer {
  const local = at.offset;
  if (zip.readUInt32LE(local) !== 0x04034b50) throw new Error('A local header is not where it should be.');
  const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
  const packed = zip.subarray(start, start + at.packed);
  const content = at.method === 0 ? Buffer.from(packed) : inflateRawSync(packed);
  if (content.length !== zip.readUInt32LE(header + 24)) throw new Error('A size is not true.');
  if (crc32(content) !== zip.readUInt32LE(header + 16)) throw new Error('A checksum is not true.');
  return content;
}

/** Reads a zip by its central directory and checks every size and CRC-32. Entries below 4 GiB only. */
export function readZip(zip: Buffer): ReadEntry[] {
  const directory = findDirectory(zip);
  const entries: ReadEntry[] = [];
  let header = directory.offset;
  for (let index = 0; index < directory.count; index += 1) {
    if (zip.readUInt32LE(header) !== 0x02014b50) throw new Error('The central directory is damaged.');
    const nameBytes = zip.readUInt16LE(header + 28);
    const isUtf8 = (zip.readUInt16LE(header + 8) & 0x800) !== 0;
    const rawName = zip.subarray(header + 46, header + 46 + nameBytes);
    const name = rawName.toString(isUtf8 ? 'utf8' : 'latin1');
    const content = readContent(zip, header, {
      offset: zip.readUInt32LE(header + 42),
      packed: zip.readUInt32LE(header + 20),
      method: zip.readUInt16LE(header + 10),
    });
    entries.push({
      name: name.replace(/\/$/, ''),
      type: name.endsWith('/') ? 'directory' : 'file',
      mode: zip.readUInt32LE(header + 38) >>> 16,
      mtime: Number.NaN,
      content,
    });
    header += 46 + nameBytes + zip.readUInt16LE(header + 30) + zip.readUInt16LE(header + 32);
  }
  return entries;
}
