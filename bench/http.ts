import { Agent, type IncomingMessage, type OutgoingHttpHeaders, request } from 'node:http';
import { quantile } from './row.ts';

/** One request of a load. */
export interface Shot {
  readonly method: string;
  readonly path: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: Uint8Array | string;
}

/** An answer whose body was read to the end. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** Sends requests over connections that are kept. */
export interface Gun {
  fire(shot: Shot): Promise<Answer>;
  close(): void;
}

/** Opens a client of one port that keeps up to `connections` open. */
export function openGun(port: number, connections: number): Gun {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const fire = (shot: Shot): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const outgoing = request(
        {
          host: '127.0.0.1',
          port,
          agent,
          method: shot.method,
          path: shot.path,
          headers: { ...shot.headers },
        },
        (incoming) => {
          const chunks: Buffer[] = [];
          incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
          incoming.on('end', () =>
            resolve({
              status: incoming.statusCode ?? 0,
              headers: incoming.headers,
              body: Buffer.concat(chunks),
            }),
          );
          incoming.on('error', reject);
        },
      );
      outgoing.on('error', reject);
      outgoing.end(shot.body);
    });
  return { fire, close: () => agent.destroy() };
}

/** How a load went. */
export interface LoadResult {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Sends `count` requests, `concurrency` at a time, and expects `status` of every one. */
export async function load(
  gun: Gun,
  options: {
    readonly count: number;
    readonly concurrency: number;
    readonly status: number;
    readonly shot: (index: number) => Shot;
  },
): Promise<LoadResult> {
  const latencies: number[] = [];
  let next = 0;
  const work = async () => {
    for (let index = next++; index < options.count; index = next++) {
      const shot = options.shot(index);
      const startedAt = performance.now();
      const answer = await gun.fire(shot);
      latencies.push(performance.now() - startedAt);
      if (answer.status !== options.status) {
        throw new Error(
          `${shot.method} ${shot.path} answers ${answer.status}: ${answer.body.toString('utf8')}`,
        );
      }
    }
  };
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: options.concurrency }, work));
  const seconds = (performance.now() - startedAt) / 1_000;
  return {
    perSecond: options.count / seconds,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
  };
}

/** Sends one JSON request and answers its parsed body. @throws when it is refused */
export async function call(
  gun: Gun,
  authorization: string,
  shot: Shot & { readonly json?: unknown },
): Promise<unknown> {
  const { json, ...rest } = shot;
  const body = json === undefined ? {} : { body: JSON.stringify(json) };
  const headers = {
    authorization,
    ...(json === undefined ? {} : { 'content-type': 'application/json' }),
    ...shot.headers,
  };
  const answer = await gun.fire({ ...rest, ...body, headers });
  const text = answer.body.toString('utf8');
  if (answer.status >= 400) throw new Error(`${shot.method} ${shot.path} answers ${answer.status}: ${text}`);
  return text === '' ? undefined : JSON.parse(text);
}
