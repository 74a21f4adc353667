import { eventually } from '../../support/eventually.ts';
import { type Client, pathOf } from './http-client.ts';
import { textAt } from './json.ts';

const terminalStates = new Set(['succeeded', 'failed', 'cancelled']);

/** A job as `GET /jobs/:id` shows it. */
export interface TestJob {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  /** The whole body. */
  readonly body: unknown;
}

/** Reads a job once. Throws when it is not found. */
export async function readJob(client: Client, id: string): Promise<TestJob> {
  const answer = await client.call('GET', pathOf('jobs', id));
  if (answer.status !== 200) throw new Error(`The job ${id} is not shown: ${answer.text}`);
  const { json } = answer;
  return { id: textAt(json, 'id'), kind: textAt(json, 'kind'), state: textAt(json, 'state'), body: json };
}

/** Polls a job until it has ended, and answers it as it then is. */
export async function awaitJob(
  client: Client,
  id: string,
  options: { readonly timeoutMs?: number } = {},
): Promise<TestJob> {
  return eventually(
    async () => {
      const job = await readJob(client, id);
      if (!terminalStates.has(job.state))
        throw new Error(`The job is ${job.state}: ${JSON.stringify(job.body)}`);
      return job;
    },
    { timeoutMs: options.timeoutMs ?? 30_000, everyMs: 40 },
  );
}

/** The id in a `Location: /jobs/<id>` header. Throws when there is none. */
export function jobIdIn(headers: { readonly location?: string | undefined }): string {
  const [, id] = /^\/jobs\/([0-9a-f-]{36})$/.exec(headers.location ?? '') ?? [];
  if (id === undefined) throw new Error(`"${headers.location}" is no location of a job.`);
  return id;
}
