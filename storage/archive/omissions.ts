import { randomUUID } from 'node:crypto';
import type { SkippedEntry } from '../volume.ts';

/** How many omissions are kept by name; the rest is only counted. */
const omissionsMax = 1000;
/** Characters of a path that are kept; planted paths can be far longer than any the API makes. */
const pathCharactersMax = 1024;
/** Name of the last entry of an archive that is not whole, unless the folder itself has that name. */
export const manifestName = 'VFOLDER-SKIPPED.txt';

/** Gathers what is missing or cut in an archive, in bounded memory. */
export interface Omissions {
  readonly count: number;
  /** The first {@link omissionsMax}. */
  readonly listed: readonly SkippedEntry[];
  add(entry: SkippedEntry): void;
}

const explanations: Readonly<Record<string, string>> = {
  symlink: 'symbolic links are not archived',
  other: 'not a regular file or directory',
  name_not_utf8: 'the name is not UTF-8',
  name_too_long: 'the path is longer than archives allow',
  unreadable: 'its permissions keep the service out',
  too_deep: 'nested too deep',
  vanished: 'removed while the archive was made',
  changed: 'replaced by something else while the archive was made',
  shortened: 'became shorter while it was read; the missing end is filled with zero bytes',
};

function shorten(path: string): string {
  return path.length <= pathCharactersMax ? path : `${path.slice(0, pathCharactersMax)}…`;
}

/** An empty collection; `onSkip` hears of every omission, listed or not. */
export function gatherOmissions(onSkip?: (entry: SkippedEntry) => void): Omissions {
  const listed: SkippedEntry[] = [];
  let count = 0;
  return {
    get count() {
      return count;
    },
    listed,
    add(entry) {
      count += 1;
      if (listed.length < omissionsMax) listed.push({ ...entry, path: shorten(entry.path) });
      onSkip?.(entry);
    },
  };
}

/** What the manifest is called, so that it hides nothing of the folder's. */
export function chooseManifestName(isTaken: boolean): string {
  return isTaken ? `VFOLDER-SKIPPED-${randomUUID()}.txt` : manifestName;
}

/** The text of the manifest: one line per omission, names quoted as JSON so that a line break in a name is harmless. */
export function formatManifest(omissions: Omissions): string {
  const lines = omissions.listed.map(
    ({ path, reason }) => `${reason}\t${JSON.stringify(path)}\t${explanations[reason] ?? reason}`,
  );
  const rest = omissions.count - omissions.listed.length;
  if (rest > 0) lines.push(`… and ${rest} more`);
  return `Not or not wholly in this archive (${omissions.count}):\n\n${lines.join('\n')}\n`;
}
