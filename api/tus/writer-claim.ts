import { setTimeout as delay } from 'node:timers/promises';
import type { Executor } from '../../db/client.ts';
import {
  claimUploadWriter,
  findResumableUpload,
  type ResumableUpload,
  renewUploadWriter,
  type UploadWriter,
} from '../../db/queries/resumable-uploads.ts';
import { type DomainError, domainError } from '../../domain/errors.ts';
import { holdsRight } from '../../domain/permission.ts';
import type { Services } from '../services.ts';

/** Longer than a writer's lease, so that the client of a dead process gets through with its first try. */
const claimWaitMs = 10_000;
const claimPollMs = 200;
/** How long a look at an upload waits for the request before it to end; a client that comes back has broken that off. */
const endWaitMs = 3_000;
const endPollMs = 50;
/** With the time it takes, a right taken away ends a running request within 5 s. */
const renewEveryMs = 2_000;

/** The one refusal for an upload that is missing, someone else's, or whose folder may not be written any more. */
export function uploadNotFound(): DomainError {
  return domainError('not_found', 'There is no such upload, or you may not go on with it.');
}

/** Refuses what is not at `offsetBytes`; `Upload-Offset` says where it is. */
export function offsetMismatch(upload: Pick<ResumableUpload, 'offsetBytes'>): DomainError {
  return domainError('upload_offset_mismatch', `The upload is at offset ${upload.offsetBytes}.`, {
    extra: { offset: upload.offsetBytes },
  });
}

/** An upload of `userId`, in whatever state. @throws not_found */
export async function loadUpload(
  services: { readonly db: Executor },
  upload: { readonly id: string; readonly userId: string },
): Promise<ResumableUpload> {
  const found = await findResumableUpload(services.db, upload);
  if (found === null || !holdsRight(found, 'write')) throw uploadNotFound();
  return found;
}

/**
 * As {@link loadUpload}, once no other request is about to move its offset: one that writes to it is waited for, 3 s at most,
 * unless it turns out to go on. Who asks is most often the client whose request before broke off, and goes on from what it is told.
 * @throws not_found
 */
export async function loadRestingUpload(
  services: { readonly db: Executor },
  upload: { readonly id: string; readonly userId: string },
  signal: AbortSignal,
): Promise<ResumableUpload> {
  const deadline = performance.now() + endWaitMs;
  const first = await loadUpload(services, upload);
  for (let found = first; ; found = await loadUpload(services, upload)) {
    const until = found.writerUntil?.getTime() ?? 0;
    const goesOn = until > (first.writerUntil?.getTime() ?? 0);
    const isHeld = found.state === 'receiving' && until > Date.now();
    if (!isHeld || goesOn || signal.aborted || performance.now() > deadline) return found;
    await delay(endPollMs);
  }
}

/** Refuses an upload that was given up, by its client or because it expired. @throws upload_gone */
export function requireKept(upload: ResumableUpload): void {
  const isEnded = upload.state === 'aborting' || upload.state === 'aborted';
  if (isEnded || (upload.state !== 'staged' && upload.expiresAt.getTime() < Date.now())) {
    throw domainError('upload_gone', 'The upload was terminated, refused, or has expired. Begin a new one.');
  }
}

function lockedUpload(): DomainError {
  return domainError('upload_locked', 'Another request is writing to this upload.');
}

/** Why a claim was refused, looked at again. @throws whatever is final; returns until when another request holds it */
async function findHolder(
  services: Pick<Services, 'db'>,
  upload: { readonly id: string; readonly userId: string },
  offsetBytes: number,
): Promise<number> {
  const found = await loadUpload(services, upload);
  requireKept(found);
  if (found.offsetBytes !== offsetBytes || found.state !== 'receiving') throw offsetMismatch(found);
  return found.writerUntil?.getTime() ?? 0;
}

/**
 * Makes this request the one writer of an upload. One that holds it and receives bytes keeps it; one that is silent is
 * waited for until its lease lapses, for its client is likely the same that asks here.
 * @throws upload_offset_mismatch, upload_locked, upload_gone, upload_aborted (the client went away), not_found
 */
export async function claimWriter(
  services: Pick<Services, 'db'>,
  upload: { readonly id: string; readonly userId: string },
  request: { readonly offsetBytes: number; readonly signal: AbortSignal },
): Promise<UploadWriter> {
  const deadline = performance.now() + claimWaitMs;
  let held: number | undefined;
  for (;;) {
    const writer = await claimUploadWriter(services.db, { id: upload.id, offsetBytes: request.offsetBytes });
    if (writer !== null) return writer;
    const until = await findHolder(services, upload, request.offsetBytes);
    const isAlive = held !== undefined && until > held;
    if (isAlive || performance.now() > deadline) throw lockedUpload();
    if (request.signal.aborted) throw domainError('upload_aborted', 'The client went away.');
    held = until;
    await delay(claimPollMs);
  }
}

/** A writer's hold on its upload while it receives. */
export interface WriterHold {
  /** Whether the hold may be lost to somebody else, or the right to write was taken away. */
  readonly isLost: boolean;
  /** Why the hold is lost; read through `db`, which inside a transaction is that transaction. */
  reason(db: Executor): Promise<unknown>;
  end(): void;
}

/**
 * Renews a writer's lease for as long as bytes arrive, and looks whether it may go on at all. `onLost` is called once.
 * `activity` is any number that changes while the client is there.
 */
export function holdUpload(
  services: Pick<Services, 'db'>,
  writer: { readonly id: string; readonly userId: string; readonly fence: number },
  hooks: { readonly activity: () => number; readonly onLost: () => void },
): WriterHold {
  let before = -1;
  let isLost = false;
  const renew = async (): Promise<void> => {
    const now = hooks.activity();
    const isActive = now !== before;
    before = now;
    const mayGoOn = await renewUploadWriter(services.db, { id: writer.id, fence: writer.fence, isActive });
    if (mayGoOn || isLost) return;
    isLost = true;
    hooks.onLost();
  };
  const timer = setInterval(() => {
    // Without the database nobody can take over either; recording will tell.
    renew().catch(() => undefined);
  }, renewEveryMs).unref();
  return {
    get isLost() {
      return isLost;
    },
    reason: async (db) => {
      try {
        const found = await loadUpload({ db }, writer);
        requireKept(found);
        return lockedUpload();
      } catch (error) {
        return error;
      }
    },
    end: () => clearInterval(timer),
  };
}
