/** An entry of a tar archive; directories end in `/` and hold nothing. */
export interface TarEntry {
  readonly name: string;
  readonly type: 'file' | 'directory';
  readonly bytes: Buffer;
}

const blockBytes = 512;

function cString(block: Buffer, start: number, length: number): string {
  const field = block.subarray(start, start + length);
  const end = field.indexOf(0);
  return field.subarray(0, end === -1 ? length : end).toString('utf8');
}

function sizeOf(block: Buffer): number {
  return Number.parseInt(cString(block, 124, 12).trim() || '0', 8);
}

/** Keys of an extended header (pax): records `<length> <key>=<value>\n`, lengths in bytes. */
function readPax(bytes: Buffer): Map<string, string> {
  const found = new Map<string, string>();
  for (let start = 0; start < bytes.length; ) {
    const length = Number.parseInt(bytes.subarray(start, bytes.indexOf(0x20, start)).toString(), 10);
    const record = bytes.subarray(start, start + length - 1).toString('utf8');
    const [, key = '', value = ''] = /^\d+ ([^=]+)=([\s\S]*)$/.exec(record) ?? [];
    found.set(key, value);
    start += length;
  }
  return found;
}

interface RawEntry {
  readonly type: string;
  /** Name in the header itself. */
  readonly name: string;
  readonly bytes: Buffer;
}

/** The headers with their contents, one by one, extended ones included. */
function* rawEntries(archive: Buffer): Generator<RawEntry> {
  let sizeFromPax: string | undefined;
  for (let offset = 0; ; ) {
    const block = archive.subarray(offset, offset + blockBytes);
    if (block.length < blockBytes) throw new Error('The archive ends without an end mark.');
    if (block.every((byte) => byte === 0)) return;
    verifyChecksum(block);
    const size = Number(sizeFromPax ?? sizeOf(block));
    const bytes = archive.subarray(offset + blockBytes, offset + blockBytes + size);
    if (bytes.length < size) throw new Error('The archive ends within an entry.');
    offset += blockBytes + Math.ceil(size / blockBytes) * blockBytes;
    const type = cString(block, 156, 1);
    sizeFromPax = type === 'x' ? readPax(bytes).get('size') : undefined;
    const prefix = cString(block, 345, 155);
    const name = cString(block, 0, 100);
    yield { type, bytes, name: prefix === '' ? name : `${prefix}/${name}` };
  }
}

/**
 * Reads a whole tar archive (ustar, pax and GNU long names). Throws on a bad checksum, on an end that is missing, and
 * on types that no archive of ours may hold: links, devices, fifos.
 */
export function readTar(archive: Buffer): TarEntry[] {
  const entries: TarEntry[] = [];
  let longName: string | undefined;
  for (const { type, name, bytes } of rawEntries(archive)) {
    if (type === 'x') longName = readPax(bytes).get('path') ?? longName;
    else if (type === 'L') longName = cString(bytes, 0, bytes.length);
    else {
      entries.push({ name: longName ?? name, type: kindOf(type), bytes });
      longName = undefined;
    }
  }
  return entries;
}

function kindOf(type: string): TarEntry['type'] {
  if (type === '' || type === '0') return 'file';
  if (type === '5') return 'directory';
  throw new Error(`The archive holds an entry of type ${type}.`);
}

function verifyChecksum(block: Buffer): void {
  const stored = Number.parseInt(cString(block, 148, 8).trim(), 8);
  const sum = block.reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 0x20 : byte), 0);
  if (sum !== stored) throw new Error('A header of the archive has a wrong checksum.');
}
