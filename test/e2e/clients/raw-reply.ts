import { openSocket } from '../support/raw-socket.ts';

/** An answer as it came over the wire; header names in lower case. */
export interface RawReply {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

interface Head {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly rest: Buffer;
}

function readHead(bytes: Buffer): Head | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  if (end === -1) return undefined;
  const [first = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n');
  const status = Number(first.split(' ')[1]);
  const headers = new Map(
    lines.map((line) => {
      const mark = line.indexOf(':');
      return [line.slice(0, mark).toLowerCase(), line.slice(mark + 1).trim()] as const;
    }),
  );
  const rest = bytes.subarray(end + 4);
  // A client that waits for the permission to send its body gets an answer before the answer.
  return status === 100 ? readHead(rest) : { status, headers, rest };
}

function readChunks(rest: Buffer): Buffer | undefined {
  const chunks: Buffer[] = [];
  let at = 0;
  for (;;) {
    const line = rest.indexOf('\r\n', at);
    if (line === -1) return undefined;
    const size = Number.parseInt(rest.subarray(at, line).toString('latin1'), 16);
    const start = line + 2;
    if (rest.length < start + size + 2) return undefined;
    if (size === 0) return Buffer.concat(chunks);
    chunks.push(rest.subarray(start, start + size));
    at = start + size + 2;
  }
}

/** The reply, once all of it has come. */
function readReply(bytes: Buffer): RawReply | undefined {
  const head = readHead(bytes);
  if (head === undefined) return undefined;
  const { status, headers, rest } = head;
  const length = headers.get('content-length');
  if (status === 204) return { status, headers, body: Buffer.alloc(0) };
  if (headers.get('transfer-encoding') === 'chunked') {
    const body = readChunks(rest);
    return body === undefined ? undefined : { status, headers, body };
  }
  if (length === undefined || rest.length < Number(length)) return undefined;
  return { status, headers, body: rest.subarray(0, Number(length)) };
}

/** Sends bytes on a connection of their own and reads the one answer. Throws when the connection ends before it. */
export async function askRaw(url: string, bytes: Buffer): Promise<RawReply> {
  const socket = await openSocket(url);
  try {
    socket.write(bytes);
    let received = Buffer.alloc(0);
    const chunks: AsyncIterable<Buffer> = socket;
    for await (const chunk of chunks) {
      received = Buffer.concat([received, chunk]);
      const reply = readReply(received);
      if (reply !== undefined) return reply;
    }
    throw new Error(`Cut: ${received.toString('latin1')}`);
  } finally {
    socket.destroy();
  }
}
