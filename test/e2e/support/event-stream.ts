import type { IncomingMessage } from 'node:http';
import type { Client } from './http-client.ts';

/** A server-sent event as it stood on the wire. */
export interface WireEvent {
  readonly id: string | undefined;
  readonly event: string | undefined;
  readonly data: unknown;
}

/** A stream of events that is being read. */
export interface EventStream {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  /** All so far. */
  events(): readonly WireEvent[];
  /** Resolves once the answer is over: `true` when it ended in order, `false` when it was cut. */
  readonly ended: Promise<boolean>;
  close(): void;
}

function parse(block: string): WireEvent {
  const value = (field: string) => new RegExp(`^${field}: (.*)$`, 'm').exec(block)?.[1];
  return { id: value('id'), event: value('event'), data: JSON.parse(value('data') ?? 'null') };
}

/** Opens a stream of events and reads it in the background. */
export async function openEvents(
  client: Client,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<EventStream> {
  const incoming = await client.open('GET', path, { headers: { accept: 'text/event-stream', ...headers } });
  let text = '';
  incoming.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  const ended = new Promise<boolean>((resolve) => {
    incoming.once('end', () => resolve(true));
    incoming.once('error', () => resolve(false));
    incoming.once('close', () => resolve(incoming.complete));
  });
  return {
    status: incoming.statusCode ?? 0,
    headers: incoming.headers,
    events: () => {
      const blocks = text.split('\n\n').slice(0, -1);
      return blocks.filter((block) => block.includes('data:')).map(parse);
    },
    ended,
    close: () => incoming.destroy(),
  };
}
