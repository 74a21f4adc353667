import { setTimeout as delay } from 'node:timers/promises';
import type { Answer, CallOptions, Client } from '../support/http-client.ts';

/** What a client knows after a request: an answer; that it never arrived; or nothing. */
export type Outcome =
  | { readonly kind: 'answer'; readonly answer: Answer }
  | { readonly kind: 'never_sent' }
  | { readonly kind: 'unknown' };

/** Counts of what happened, and everything that must not happen. */
export interface Tally {
  readonly counts: Map<string, number>;
  readonly findings: string[];
}

/** How long a client waits for an answer. */
const patienceMs = 6_000;
const restMs = 40;

/** Adds one to a count. */
export function count(tally: Tally, name: string): void {
  tally.counts.set(name, (tally.counts.get(name) ?? 0) + 1);
}

function isRefusedConnection(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED';
}

/** A 5xx may only be a 503 that says when to come again. */
function judge(tally: Tally, label: string, answer: Answer): Outcome {
  const { status, headers, text } = answer;
  count(tally, 'answers');
  count(tally, `answers ${status}`);
  if (status < 500 || status === 507) return { kind: 'answer', answer };
  if (status !== 503 || headers['retry-after'] === undefined) {
    tally.findings.push(`${label} answers ${status}: ${text.slice(0, 500)}`);
  }
  return { kind: 'unknown' };
}

/** Sends a request the way people do while a service is killed: connections break, answers do not come. */
export async function tryCall(
  tally: Tally,
  client: Client,
  request: { readonly method: string; readonly path: string; readonly options?: CallOptions },
): Promise<Outcome> {
  const label = `${request.method} ${request.path}`;
  try {
    const signal = AbortSignal.timeout(patienceMs);
    return judge(
      tally,
      label,
      await client.call(request.method, request.path, { ...request.options, signal }),
    );
  } catch (error) {
    // The API needs a moment to come up again.
    await delay(restMs);
    if (isRefusedConnection(error)) {
      count(tally, 'refused connections');
      return { kind: 'never_sent' };
    }
    count(tally, 'broken connections');
    return { kind: 'unknown' };
  }
}
