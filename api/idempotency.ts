import { createHash, randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import {
  abandonKey,
  claimKey,
  findKey,
  finishKey,
  type KeyClaim,
  type KnownKey,
  renewKey,
} from '../db/queries/idempotency-keys.ts';
import { domainError } from '../domain/errors.ts';
import { type TextReply, toTextReply } from './http/send.ts';
import { bindKeys, takenOver } from './idempotency-binding.ts';
import type { JsonReply, Reply } from './route.ts';
import type { Services } from './services.ts';

const renewEveryMs = 10_000;
/** A key that comes and goes between two looks is looked at again this often. */
const looksMax = 3;
const replayed = { 'Idempotency-Replayed': 'true' };

/** A change that its caller named. */
export interface NamedChange {
  readonly userId: string;
  readonly key: string;
  readonly fingerprint: string;
}

const conditions = ['if-match', 'if-none-match', 'if-unmodified-since'] as const;

/** What in its head tells one streamed change from another; the body is not read twice. */
const tellingHeaders = [
  'content-length',
  'content-digest',
  'repr-digest',
  ...conditions,
  'upload-checksum',
  'upload-concat',
  'upload-defer-length',
  'upload-length',
  'upload-metadata',
  'upload-offset',
] as const;

/** What a change with a streamed body asks for, as far as its head says. */
export function streamedChange(headers: IncomingHttpHeaders): string[] {
  return tellingHeaders.map((name) => String(headers[name] ?? ''));
}

/** What a change with a small body asks for: the body, and on which conditions. */
export function plainChange(headers: IncomingHttpHeaders, body: Uint8Array): (string | Uint8Array)[] {
  return [body, ...conditions.flatMap((name) => (headers[name] === undefined ? [] : [name, headers[name]]))];
}

/** What asks for the same has the same fingerprint. */
export function fingerprintOf(parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest('hex');
}

/** The `Idempotency-Key` of a request, or `undefined`. @throws request_malformed */
export function readIdempotencyKey(header: string | readonly string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  const key = typeof header === 'string' ? header.trim() : '';
  if (/^[\x21-\x7e]{1,255}$/.test(key)) return key;
  throw domainError('request_malformed', 'An Idempotency-Key has 1 to 255 visible characters of ASCII.');
}

/** Services whose jobs are noted with the key, in the transaction that makes them. */
function bindJobs(services: Services, claim: KeyClaim): Services {
  const { db, jobs } = services;
  const enqueue: Services['jobs']['enqueue'] = async (tx, job) => {
    if (tx === db) return await db.transaction((inner) => enqueue(inner, job));
    const jobId = await jobs.enqueue(tx, job);
    await bindKeys(tx, [{ claim, jobId }]);
    return jobId;
  };
  return { ...services, jobs: { ...jobs, enqueue }, key: claim };
}

async function keep(services: Services, change: NamedChange, reply: JsonReply): Promise<void> {
  const { status, headers, text } = toTextReply(reply);
  await finishKey(services.db, change, { status, headers, bodySealed: services.secrets.seal(text) });
}

function replay(services: Services, known: KnownKey): TextReply | undefined {
  if (known.status === null || known.bodySealed === null) return undefined;
  const headers = { ...known.headers, ...replayed };
  return { status: known.status, headers, text: services.secrets.open(known.bodySealed) };
}

async function runClaimed(
  services: Services,
  change: NamedChange,
  claim: KeyClaim,
  run: (services: Services) => Promise<Reply>,
): Promise<Reply> {
  // A missed renewal shows when the job is noted; nothing is done twice by it.
  const timer = setInterval(() => void renewKey(services.db, claim).catch(() => undefined), renewEveryMs);
  try {
    const reply = await run(bindJobs(services, claim));
    // The effect is there. If its reply cannot be kept the caller gets it all the same.
    if (reply !== 'sent') await keep(services, change, reply).catch(() => undefined);
    return reply;
  } catch (error) {
    await abandonKey(services.db, claim).catch(() => undefined);
    throw error;
  } finally {
    clearInterval(timer);
  }
}

interface Answers {
  readonly run: (services: Services) => Promise<Reply>;
  readonly resume: (jobId: string) => Promise<Reply>;
}

async function answerKnown(
  services: Services,
  change: NamedChange,
  known: KnownKey,
  resume: Answers['resume'],
): Promise<Reply | { readonly stored: TextReply }> {
  if (known.fingerprint !== change.fingerprint) {
    throw domainError('idempotency_key_reused', 'This Idempotency-Key was used for another request.');
  }
  const stored = replay(services, known);
  if (stored !== undefined) return { stored };
  if (known.isRunning || known.jobId === null) throw takenOver();
  const reply = await resume(known.jobId);
  if (reply === 'sent') return reply;
  await keep(services, change, reply);
  return { ...reply, headers: { ...reply.headers, ...replayed } };
}

/**
 * Makes a change once, however often it is asked for under its key: the first request runs, later ones get its reply. A
 * request whose process died is run again if it had made no job; if it had, `resume` answers for that job. Refusals are
 * not kept: they had no effect, and the reason may pass.
 * @throws idempotency_in_flight, idempotency_key_reused, and what `run` or `resume` throws
 */
export async function changeOnce(
  services: Services,
  change: NamedChange,
  { run, resume }: Answers,
): Promise<Reply | { readonly stored: TextReply }> {
  const { fingerprint, ...named } = change;
  for (let looks = 0; looks < looksMax; looks += 1) {
    const claim: KeyClaim = { ...named, owner: randomUUID() };
    if (await claimKey(services.db, { ...claim, fingerprint })) {
      return await runClaimed(services, change, claim, run);
    }
    const known = await findKey(services.db, claim);
    if (known !== null) return await answerKnown(services, change, known, resume);
  }
  throw takenOver();
}
