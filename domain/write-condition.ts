import { type DomainError, domainError } from './errors.ts';

/** What to do when an entry has the name already. `rename` takes the next free numbered name. */
export const existingChoices = ['replace', 'fail', 'rename'] as const;

/** Under which conditions a file may be written, or an entry deleted; header texts as sent (RFC 9110 §13.1). */
export interface WriteCondition {
  readonly ifExists: (typeof existingChoices)[number];
  readonly ifMatch?: string | undefined;
  readonly ifNoneMatch?: string | undefined;
  /** Seconds since 1970. */
  readonly ifUnmodifiedSince?: number | undefined;
}

/** The entity tag of an entry's `version`, strong and quoted. */
export function entityTag(version: string): string {
  return `"${version}"`;
}

/** Tells whether a list of entity tags, or `*`, names `etag`; weak tags only count in a weak comparison. */
export function listsTag(header: string, etag: string, comparison: 'strong' | 'weak'): boolean {
  if (header.trim() === '*') return true;
  return (header.match(/(?:W\/)?"[^"]*"/g) ?? []).some(
    (tag) => tag === etag || (comparison === 'weak' && tag === `W/${etag}`),
  );
}

/** Tells whether `current`, or nothing, may be replaced; in the order of RFC 9110 §13.2.2. */
function isWritable(
  condition: WriteCondition,
  current: { readonly version: string; readonly mtime: number } | null,
): boolean {
  const { ifMatch, ifNoneMatch, ifUnmodifiedSince, ifExists } = condition;
  if (current === null) return ifMatch === undefined;
  const etag = entityTag(current.version);
  if (ifMatch !== undefined && !listsTag(ifMatch, etag, 'strong')) return false;
  const isLater = ifUnmodifiedSince !== undefined && Math.floor(current.mtime) > ifUnmodifiedSince;
  if (ifMatch === undefined && isLater) return false;
  if (ifNoneMatch !== undefined && listsTag(ifNoneMatch, etag, 'weak')) return false;
  return ifExists !== 'fail';
}

/** The refusal of a request that names a state which is not the entry's. */
export function preconditionFailed(): DomainError {
  return domainError('precondition_failed', 'The entry is not in the state that the request names.');
}

/** @throws precondition_failed when the condition does not hold for what has the path, or for nothing there */
export function requireWritable(
  condition: WriteCondition | undefined,
  current: { readonly version: string; readonly mtime: number } | null,
): void {
  if (condition !== undefined && !isWritable(condition, current)) throw preconditionFailed();
}
