import { type DomainError, domainError, isDomainError } from '../../domain/errors.ts';

/**
 * Linux error numbers as libuv reports them (negative). Errors are told apart by number: Node 20 has no name for
 * EDQUOT and ESTALE, whose `code` is `UNKNOWN` or a sentence.
 */
export const errno = {
  EPERM: -1,
  ENOENT: -2,
  EAGAIN: -11,
  EACCES: -13,
  EBUSY: -16,
  EEXIST: -17,
  EXDEV: -18,
  ENOTDIR: -20,
  EISDIR: -21,
  EINVAL: -22,
  ETXTBSY: -26,
  EFBIG: -27,
  ENOSPC: -28,
  EMLINK: -31,
  ENAMETOOLONG: -36,
  ENOTEMPTY: -39,
  ELOOP: -40,
  EILSEQ: -84,
  EOPNOTSUPP: -95,
  ESTALE: -116,
  EDQUOT: -122,
} as const;

/** A key of {@link errno}. */
export type ErrnoName = keyof typeof errno;

/** The error number of a failed system call (negative), or 0 for anything else. */
export function errnoOf(error: unknown): number {
  if (!(error instanceof Error) || !('errno' in error)) return 0;
  return typeof error.errno === 'number' ? error.errno : 0;
}

/** Tells whether `error` is a failed system call with one of these numbers. */
export function hasErrno(error: unknown, ...names: readonly ErrnoName[]): boolean {
  const found = errnoOf(error);
  return found !== 0 && names.some((name) => errno[name] === found);
}

const conflicts: readonly ErrnoName[] = ['EEXIST', 'ENOTDIR', 'EISDIR', 'ENOTEMPTY', 'ELOOP', 'EXDEV'];
/** What a container does to its own entries: a lease on a file it has open, a mount point, a running program. */
const inUse: readonly ErrnoName[] = ['EAGAIN', 'EBUSY', 'ETXTBSY'];
const full: readonly ErrnoName[] = ['ENOSPC', 'EDQUOT', 'EFBIG', 'EMLINK'];
const badNames: readonly ErrnoName[] = ['ENAMETOOLONG', 'EINVAL', 'EILSEQ'];

/** The refusal when nothing has the path. */
export function entryNotFound(cause?: unknown): DomainError {
  return domainError('entry_not_found', 'No entry has that path.', { cause });
}

/** The refusal when something else is in the way; `detail` is for the caller. */
export function entryConflict(detail: string, cause?: unknown): DomainError {
  return domainError('entry_conflict', detail, { cause });
}

/** The refusal when the storage itself fails. */
export function volumeUnavailable(cause?: unknown): DomainError {
  return domainError('volume_unavailable', 'The storage volume does not answer as it should.', { cause });
}

/**
 * Gives a failed system call on a tenant's entry its code; what has a code already, and what is no failed system
 * call (an abort reason, a failed assertion), passes unchanged. The errno stays in `cause`, never in the message.
 */
export function toStorageError(error: unknown): unknown {
  if (isDomainError(error) || errnoOf(error) === 0) return error;
  if (hasErrno(error, 'ENOENT')) return entryNotFound(error);
  if (hasErrno(error, ...conflicts))
    return entryConflict('Something else is in the way of that path.', error);
  if (hasErrno(error, ...inUse)) return entryConflict('The entry is in use.', error);
  if (hasErrno(error, ...full)) {
    return domainError('volume_full', 'The storage volume has no room left.', { cause: error });
  }
  if (hasErrno(error, ...badNames)) {
    return domainError('path_invalid', 'The storage volume does not accept that name.', { cause: error });
  }
  if (hasErrno(error, 'EACCES', 'EPERM')) {
    return entryConflict('The permissions of the entry keep the service out.', error);
  }
  return volumeUnavailable(error);
}

/** Runs `work` and gives whatever it throws its code, see {@link toStorageError}. */
export async function withStorageErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toStorageError(error);
  }
}
