import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { type Keypair, signatureHeader, signatureOf } from '../support/signature.ts';

const recordedRequest = z.object({
  /** Who sent it; `null` for what clients do not sign. */
  actor: z.enum(['ada', 'bob']).nullable(),
  method: z.string(),
  target: z.string(),
  headers: z.array(z.tuple([z.string(), z.string()])),
  /** One character per byte; of chunked bodies what the chunks hold. */
  body: z.string(),
});

/**
 * A request as a published client sent it, byte for byte, but for the places in braces: names, ids, and what depends on
 * the moment.
 */
export type RecordedRequest = z.infer<typeof recordedRequest>;

/** The requests of one session of a client, in their order. */
export function readRecording(name: string): RecordedRequest[] {
  const text = readFileSync(new URL(`recorded/${name}.jsonl`, import.meta.url), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => recordedRequest.parse(JSON.parse(line)));
}

/** What stands in the places of a recording: `{folder: 'x'}` for `{folder}`. */
export type Places = Readonly<Record<string, string>>;

function fill(text: string, places: Places): string {
  return text.replace(/\{([A-Za-z]+)\}/g, (whole, name: string) => places[name] ?? whole);
}

function headerOf({ headers }: RecordedRequest, name: string): string | undefined {
  return headers.find(([one]) => one.toLowerCase() === name)?.[1];
}

/** Python's clients date with microseconds and an offset, JavaScript's with milliseconds. */
function dateFor(request: RecordedRequest): string {
  const now = new Date().toISOString();
  return headerOf(request, 'x-backendai-date') === undefined ? now.replace('Z', '000+00:00') : now;
}

function authorize(
  request: RecordedRequest,
  sent: { readonly target: string; readonly host: string; readonly date: string; readonly body: Buffer },
  keypair: Keypair,
): string {
  const { date, ...rest } = sent;
  const signature = signatureOf(
    {
      ...rest,
      method: request.method,
      date,
      day: date.slice(0, 10).replaceAll('-', ''),
      mediaType: (headerOf(request, 'content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? '',
      version: headerOf(request, 'x-backendai-version'),
    },
    keypair.secretKey,
  );
  return signatureHeader(keypair.accessKey, signature);
}

/** The bytes of a recorded request, dated now and signed for `keypair`. */
export function toBytes(
  request: RecordedRequest,
  replay: { readonly host: string; readonly keypair: Keypair | undefined; readonly places: Places },
): Buffer {
  const { host, keypair, places } = replay;
  const target = fill(request.target, places);
  const content = Buffer.from(fill(request.body, places), 'latin1');
  const date = dateFor(request);
  const authorization =
    keypair === undefined ? '' : authorize(request, { target, host, date, body: content }, keypair);
  const length = String(content.length);
  const head = [
    `${request.method} ${target} HTTP/1.1`,
    ...request.headers.map(
      ([name, value]) => `${name}: ${fill(value, { ...places, host, date, authorization, length })}`,
    ),
  ];
  const isChunked = headerOf(request, 'transfer-encoding') === 'chunked';
  const end = Buffer.from('\r\n0\r\n\r\n');
  const framed = isChunked
    ? Buffer.concat([Buffer.from(`${content.length.toString(16)}\r\n`), content, end])
    : content;
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'), framed]);
}
