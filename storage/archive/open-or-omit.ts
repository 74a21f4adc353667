import { isDomainError } from '../../domain/errors.ts';
import type { LendableFile, WalkedEntry } from '../volume.ts';
import type { Omissions } from './omissions.ts';

/** Why an entry that was there a moment ago cannot be opened, or `undefined` when that is a failure of the volume. */
function omissionReason(error: unknown): string | undefined {
  if (isDomainError(error, 'entry_not_found')) return 'vanished';
  if (isDomainError(error, 'entry_not_regular')) return 'changed';
  if (isDomainError(error, 'entry_conflict')) return 'unreadable';
  return undefined;
}

/** Runs `open` on an entry; one that is gone, changed or locked becomes an omission. @throws what means a failing volume */
export async function orOmit<T>(
  entry: WalkedEntry,
  omissions: Omissions,
  open: (entry: WalkedEntry) => Promise<T>,
): Promise<T | undefined> {
  try {
    return await open(entry);
  } catch (error) {
    const reason = omissionReason(error);
    if (reason === undefined) throw error;
    omissions.add({ path: entry.path.join('/'), reason });
    return undefined;
  }
}

/** Opens a walked file, or notes why it is missing. */
export function openOrOmit(entry: WalkedEntry, omissions: Omissions): Promise<LendableFile | undefined> {
  return orOmit(entry, omissions, (walked) => walked.open());
}
