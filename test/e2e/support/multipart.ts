import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';

/** One part of a multipart/form-data body. */
export interface Part {
  /** Path inside the folder; written as browsers do: raw UTF-8, with `"`, CR and LF as `%22`, `%0D`, `%0A`. */
  readonly fileName?: string;
  /** Field name; default `src`. */
  readonly field?: string;
  readonly bytes: Uint8Array | string;
  /** Replaces the whole Content-Disposition value, as bytes in latin1. */
  readonly disposition?: string;
}

/** A body and the Content-Type that goes with it. */
export interface MultipartBody {
  readonly contentType: string;
  readonly body: Buffer;
}

function headOf(part: Part): Buffer {
  const escaped = part.fileName?.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
  const name = escaped === undefined ? '' : `; filename="${escaped}"`;
  const disposition =
    part.disposition === undefined
      ? Buffer.from(`form-data; name="${part.field ?? 'src'}"${name}`)
      : Buffer.from(part.disposition, 'latin1');
  return Buffer.concat([
    Buffer.from('Content-Disposition: '),
    disposition,
    Buffer.from('\r\nContent-Type: application/octet-stream\r\n\r\n'),
  ]);
}

/** A boundary no client is recognised by (aiohttp's are 32 lower-case hex digits). */
export function makeBoundary(): string {
  return `----e2e${randomBytes(12).toString('hex')}`;
}

/** Builds a body in memory. */
export function multipart(parts: readonly Part[], boundary: string = makeBoundary()): MultipartBody {
  const chunks = parts.flatMap((part) => [
    Buffer.from(`--${boundary}\r\n`),
    headOf(part),
    Buffer.from(part.bytes),
    Buffer.from('\r\n'),
  ]);
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    body: Buffer.concat([...chunks, Buffer.from(`--${boundary}--\r\n`)]),
  };
}

/** One file of a streamed body; `source` may be as long and as slow as the test wants. */
export interface StreamedPart {
  readonly fileName: string;
  readonly source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/** Builds a body that is produced while it is sent; goes out chunked, for its length is not known. */
export function streamedMultipart(parts: readonly StreamedPart[]): {
  readonly contentType: string;
  readonly body: Readable;
} {
  const boundary = makeBoundary();
  async function* generate(): AsyncGenerator<Uint8Array> {
    for (const { fileName, source } of parts) {
      yield Buffer.concat([Buffer.from(`--${boundary}\r\n`), headOf({ fileName, bytes: '' })]);
      yield* source;
      yield Buffer.from('\r\n');
    }
    yield Buffer.from(`--${boundary}--\r\n`);
  }
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    body: Readable.from(generate(), { objectMode: false }),
  };
}
