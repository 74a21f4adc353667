import http from 'node:http';
import type { Keypair } from '../support/signature.ts';

/** A request that is sent to any of several processes. */
export interface BalancedCall {
  readonly method: string;
  readonly path: string;
  readonly contentType?: string;
  readonly body?: Buffer;
}

/** What came back. */
export interface BalancedAnswer {
  readonly status: number;
  readonly body: Buffer;
}

/** Sends requests to several addresses in turn, over connections that are kept, as a load balancer does. */
export interface BalancedClient {
  /** @throws what a client may not repeat by itself */
  call(call: BalancedCall): Promise<BalancedAnswer>;
  close(): void;
}

const triesMax = 200;
const probeMs = 100;

function probe(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const request = http.get(new URL('/readyz', url), { agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.on('error', () => resolve(false));
  });
}

/**
 * Looks at `/readyz` of every process and leaves alone those that are not ready, unless none is. Repeats what every such
 * client repeats: what could not be connected, and a GET whose kept connection was closed before an answer. Whatever
 * else gets no answer is an error.
 */
export function createBalancedClient(urls: readonly string[], keypair: Keypair): BalancedClient {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
  const authorization = `Basic ${Buffer.from(`${keypair.accessKey}:${keypair.secretKey}`).toString('base64')}`;
  let ready = urls;
  const probing = setInterval(async () => {
    const answers = await Promise.all(urls.map(probe));
    const usable = urls.filter((_url, index) => answers[index]);
    ready = usable.length === 0 ? urls : usable;
  }, probeMs);
  let next = 0;
  const send = (call: BalancedCall) =>
    new Promise<BalancedAnswer | 'again'>((resolve, reject) => {
      const url = new URL(call.path, ready[next++ % ready.length]);
      const contentType = call.contentType === undefined ? {} : { 'content-type': call.contentType };
      const headers = { authorization, ...contentType, 'content-length': call.body?.length ?? 0 };
      const request = http.request(url, { agent, method: call.method, headers });
      let hasAnswer = false;
      request.on('response', (response) => {
        hasAnswer = true;
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }));
      });
      request.on('error', (cause: NodeJS.ErrnoException) => {
        const isUnsent = cause.code === 'ECONNREFUSED';
        const isStale = request.reusedSocket && call.method === 'GET' && !hasAnswer;
        if (isUnsent || isStale) return resolve('again');
        const kind = request.reusedSocket ? 'kept' : 'new';
        reject(new Error(`${call.method} on a ${kind} connection: ${cause.code}`, { cause }));
      });
      request.end(call.body);
    });
  return {
    call: async (call) => {
      for (let tries = 0; tries < triesMax; tries += 1) {
        const answer = await send(call);
        if (answer !== 'again') return answer;
      }
      throw new Error(`${call.method} ${call.path} found no process.`);
    },
    close: () => {
      clearInterval(probing);
      agent.destroy();
    },
  };
}
