import type { EntryStat } from '../volume.ts';

// Field by field as in PKWARE's APPNOTE 6.3.10; section numbers below are of that document.

/** The name field has 16 bits for its length (4.4.10). */
export const nameBytesMax = 65_535;

/** How content is kept (4.4.5). */
export const zipMethods = { stored: 0, deflated: 8 } as const;

/** One entry as its headers describe it. `time` is seconds since 1970; `mode` has type and permission bits. */
export interface ZipEntry {
  readonly name: Uint8Array;
  readonly mode: number;
  readonly time: number;
}

/** What is known of content once it is packed. */
export interface ZipContent {
  readonly method: number;
  readonly crc32: number;
  readonly packedBytes: number;
  readonly sizeBytes: number;
}

/** Values up to here fit the 32-bit fields; the last one means "see the zip64 field" (4.4.8). */
const field32Max = 0xffff_fffe;
const field16Max = 0xfffe;
const is64 = 0xffff_ffff;

const localSignature = 0x0403_4b50;
const centralSignature = 0x0201_4b50;
const descriptorSignature = 0x0807_4b50;
const endSignature = 0x0605_4b50;
const end64Signature = 0x0606_4b50;
const locator64Signature = 0x0706_4b50;

const version = 20;
const version64 = 45;
/** Made on Unix (4.4.2), so that the upper half of the attributes is a mode. */
const madeBy = (3 << 8) | version64;
const flagDescriptor = 0x08;
/** Names are UTF-8 (4.4.4, bit 11). */
const flagUtf8 = 0x800;
const directoryAttribute = 0x10;

const localBytes = 30;
const centralBytes = 46;
/** Extended timestamp (4.6.1): the exact second in UTC, which the DOS fields cannot say. */
const timeTag = 0x5455;
const timeFieldBytes = 9;
const zip64Tag = 0x0001;
/** With both sizes, as a local header must have it (4.5.3). */
const zip64FieldBytes = 20;

/** Bytes of a local header; `is64` when its sizes need, or may need, 64 bits. */
export function localHeaderBytes(nameBytes: number, options: { readonly is64: boolean }): number {
  return localBytes + nameBytes + timeFieldBytes + (options.is64 ? zip64FieldBytes : 0);
}

/** Tells whether sizes that are known need zip64. */
export function isWide({ packedBytes, sizeBytes }: Pick<ZipContent, 'packedBytes' | 'sizeBytes'>): boolean {
  return packedBytes > field32Max || sizeBytes > field32Max;
}

/** Tells whether content of this size needs zip64; deflate may make it a little larger, so the line is drawn early. */
export function needsZip64(sizeBytes: number): boolean {
  return sizeBytes > field32Max - 4 * 1024 * 1024;
}

/** DOS time and date (4.4.6): a local time of nowhere, so UTC; clamped to the years that it has. */
function dosTime(seconds: number): number {
  const date = new Date(Math.min(Math.max(seconds, 0), 2 ** 32) * 1000);
  const year = date.getUTCFullYear();
  if (year < 1980) return 0x0021_0000;
  const day = ((year - 1980) << 9) | ((date.getUTCMonth() + 1) << 5) | date.getUTCDate();
  const time = (date.getUTCHours() << 11) | (date.getUTCMinutes() << 5) | (date.getUTCSeconds() >> 1);
  return ((day << 16) | time) >>> 0;
}

/** Times that 32 bits cannot say are clamped, as in the DOS fields. */
function writeTimeField(target: Buffer, at: number, seconds: number): number {
  target.writeUInt16LE(timeTag, at);
  target.writeUInt16LE(timeFieldBytes - 4, at + 2);
  target[at + 4] = 1;
  target.writeInt32LE(Math.min(Math.max(Math.floor(seconds), -(2 ** 31)), 2 ** 31 - 1), at + 5);
  return at + timeFieldBytes;
}

/** What a local header is told: sizes and checksum, or that a descriptor of one of two kinds follows the content. */
export type LocalContent = ZipContent | { readonly is64: boolean };

/** Content whose descriptor will tell (4.4.4, bit 3). */
const notYetKnown: ZipContent = { method: zipMethods.deflated, crc32: 0, packedBytes: 0, sizeBytes: 0 };

/** Writes a local header at `at` and answers where it ends. */
export function writeLocalHeader(target: Buffer, at: number, entry: ZipEntry, content: LocalContent): number {
  const isKnown = 'crc32' in content;
  const { method, crc32, packedBytes, sizeBytes } = isKnown ? content : notYetKnown;
  const has64 = isKnown ? isWide(content) : content.is64;
  const { name } = entry;
  target.writeUInt32LE(localSignature, at);
  target.writeUInt16LE(has64 ? version64 : version, at + 4);
  target.writeUInt16LE(flagUtf8 | (isKnown ? 0 : flagDescriptor), at + 6);
  target.writeUInt16LE(method, at + 8);
  target.writeUInt32LE(dosTime(entry.time), at + 10);
  target.writeUInt32LE(crc32, at + 14);
  target.writeUInt32LE(has64 ? is64 : packedBytes, at + 18);
  target.writeUInt32LE(has64 ? is64 : sizeBytes, at + 22);
  target.writeUInt16LE(name.length, at + 26);
  target.writeUInt16LE(timeFieldBytes + (has64 ? zip64FieldBytes : 0), at + 28);
  target.set(name, at + localBytes);
  const end = writeTimeField(target, at + localBytes + name.length, entry.time);
  if (!has64) return end;
  target.writeUInt16LE(zip64Tag, end);
  target.writeUInt16LE(zip64FieldBytes - 4, end + 2);
  target.writeBigUInt64LE(BigInt(sizeBytes), end + 4);
  target.writeBigUInt64LE(BigInt(packedBytes), end + 12);
  return end + zip64FieldBytes;
}

/** A local header by itself. */
export function localHeader(entry: ZipEntry, content: LocalContent): Buffer {
  const has64 = 'is64' in content ? content.is64 : isWide(content);
  const header = Buffer.alloc(localHeaderBytes(entry.name.length, { is64: has64 }));
  writeLocalHeader(header, 0, entry, content);
  return header;
}

/** What follows content whose header promised a descriptor (4.3.9). */
export function dataDescriptor(content: ZipContent, options: { readonly is64: boolean }): Buffer {
  const descriptor = Buffer.alloc(options.is64 ? 24 : 16);
  descriptor.writeUInt32LE(descriptorSignature, 0);
  descriptor.writeUInt32LE(content.crc32, 4);
  if (options.is64) {
    descriptor.writeBigUInt64LE(BigInt(content.packedBytes), 8);
    descriptor.writeBigUInt64LE(BigInt(content.sizeBytes), 16);
  } else {
    descriptor.writeUInt32LE(content.packedBytes, 8);
    descriptor.writeUInt32LE(content.sizeBytes, 12);
  }
  return descriptor;
}

function isDirectory(mode: number): boolean {
  return (mode & 0o170000) === 0o040000;
}

/** Content as a record of the central directory tells of it; its local header begins at `offset`. */
type CentralContent = ZipContent & { readonly hasDescriptor: boolean };

/** The numbers that do not fit their own field, in the order that 4.5.3 wants. */
function wideNumbers({ sizeBytes, packedBytes }: CentralContent, offset: number): readonly number[] {
  if (sizeBytes <= field32Max && packedBytes <= field32Max && offset <= field32Max) return [];
  return [sizeBytes, packedBytes, offset].filter((value) => value > field32Max);
}

function wideFieldBytes(wide: readonly number[]): number {
  return wide.length === 0 ? 0 : 4 + 8 * wide.length;
}

/** Bytes of a record of the central directory. */
export function centralRecordBytes(entry: ZipEntry, content: CentralContent, offset: number): number {
  return centralBytes + entry.name.length + timeFieldBytes + wideFieldBytes(wideNumbers(content, offset));
}

/** Writes a record of the central directory (4.3.12) at `at` and answers where it ends. */
export function writeCentralRecord(
  target: Buffer,
  at: number,
  record: { readonly entry: ZipEntry; readonly content: CentralContent; readonly offset: number },
): number {
  const { entry, content, offset } = record;
  const { name, mode } = entry;
  const { packedBytes, sizeBytes } = content;
  const wide = wideNumbers(content, offset);
  const wideBytes = wideFieldBytes(wide);
  target.writeUInt32LE(centralSignature, at);
  target.writeUInt16LE(madeBy, at + 4);
  target.writeUInt16LE(wide.length === 0 ? version : version64, at + 6);
  target.writeUInt16LE(flagUtf8 | (content.hasDescriptor ? flagDescriptor : 0), at + 8);
  target.writeUInt16LE(content.method, at + 10);
  target.writeUInt32LE(dosTime(entry.time), at + 12);
  target.writeUInt32LE(content.crc32, at + 16);
  target.writeUInt32LE(packedBytes > field32Max ? is64 : packedBytes, at + 20);
  target.writeUInt32LE(sizeBytes > field32Max ? is64 : sizeBytes, at + 24);
  target.writeUInt16LE(name.length, at + 28);
  target.writeUInt16LE(timeFieldBytes + wideBytes, at + 30);
  // No comment, first disk, no internal attributes.
  target.fill(0, at + 32, at + 38);
  target.writeUInt32LE(((mode << 16) | (isDirectory(mode) ? directoryAttribute : 0)) >>> 0, at + 38);
  target.writeUInt32LE(offset > field32Max ? is64 : offset, at + 42);
  target.set(name, at + centralBytes);
  const end = writeTimeField(target, at + centralBytes + name.length, entry.time);
  if (wide.length === 0) return end;
  target.writeUInt16LE(zip64Tag, end);
  target.writeUInt16LE(wideBytes - 4, end + 2);
  for (const [index, value] of wide.entries()) target.writeBigUInt64LE(BigInt(value), end + 4 + 8 * index);
  return end + wideBytes;
}

/** A record of the central directory by itself; `offset` is where its local header begins. */
export function centralRecord(entry: ZipEntry, content: CentralContent, offset: number): Buffer {
  const record = Buffer.allocUnsafe(centralRecordBytes(entry, content, offset));
  writeCentralRecord(record, 0, { entry, content, offset });
  return record;
}

/** Where the central directory lies and how many entries it has. */
export interface CentralPlace {
  readonly entries: number;
  readonly offset: number;
  readonly sizeBytes: number;
}

function end64(place: CentralPlace): Buffer {
  const record = Buffer.alloc(56 + 20);
  record.writeUInt32LE(end64Signature, 0);
  record.writeBigUInt64LE(44n, 4);
  record.writeUInt16LE(madeBy, 12);
  record.writeUInt16LE(version64, 14);
  record.writeBigUInt64LE(BigInt(place.entries), 24);
  record.writeBigUInt64LE(BigInt(place.entries), 32);
  record.writeBigUInt64LE(BigInt(place.sizeBytes), 40);
  record.writeBigUInt64LE(BigInt(place.offset), 48);
  record.writeUInt32LE(locator64Signature, 56);
  record.writeBigUInt64LE(BigInt(place.offset + place.sizeBytes), 64);
  record.writeUInt32LE(1, 72);
  return record;
}

/** The records that end a zip (4.3.14 to 4.3.16), with the wide ones when any number needs them. */
export function endRecords(place: CentralPlace): Buffer {
  const { entries, offset, sizeBytes } = place;
  const end = Buffer.alloc(22);
  end.writeUInt32LE(endSignature, 0);
  end.writeUInt16LE(Math.min(entries, 0xffff), 8);
  end.writeUInt16LE(Math.min(entries, 0xffff), 10);
  end.writeUInt32LE(Math.min(sizeBytes, is64), 12);
  end.writeUInt32LE(Math.min(offset, is64), 16);
  const isWide = entries > field16Max || sizeBytes > field32Max || offset > field32Max;
  return isWide ? Buffer.concat([end64(place), end]) : end;
}

/**
 * The name as a zip holds it. A backslash is no separator on our side but is one for zip readers on Windows, so it is
 * shown as its full-width twin (U+FF3C); what would be a drive letter gets a step in front of it.
 */
function zipName(name: string): string {
  const visible = name.replaceAll('\\', '＼');
  return /^\w+:/.test(visible) ? `./${visible}` : visible;
}

/** How an entry of a folder is described in a zip: permission bits without set-id and sticky bits. */
export function zipEntry(
  path: readonly string[],
  stat: Pick<EntryStat, 'kind' | 'mode' | 'mtime'>,
): ZipEntry {
  const name = zipName(path.join('/'));
  const type = stat.kind === 'directory' ? 0o040000 : 0o100000;
  return {
    name: Buffer.from(stat.kind === 'directory' ? `${name}/` : name),
    mode: type | (stat.mode & 0o777),
    time: stat.mtime,
  };
}
