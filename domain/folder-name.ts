import { domainError } from './errors.ts';

/** Most characters (code points) of a folder name. */
export const folderNameCharactersMax = 64;

/** Names that are segments of the HTTP routes and so can never name a folder. */
export const reservedFolderNames: ReadonlySet<string> = new Set([
  '_',
  'create',
  'invitations',
  'purge',
  'restore-from-trash-bin',
  'delete-from-trash-bin',
]);

// biome-ignore lint/suspicious/noControlCharactersInRegex: refusing control characters is the point.
const forbidden = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069/\\]/u;
/** Anything but white space and what is there only to steer how its neighbours are shown. */
const visible = /[^\p{White_Space}\p{Default_Ignorable_Code_Point}]/u;

/**
 * Checks a folder name and returns it unchanged: 1–64 characters, NFC as sent, no control characters, line separators, `/` or
 * `\`, no space at either end, something to be seen, not `.`, `..` nor a reserved route word.
 * @throws name_invalid
 */
export function parseFolderName(raw: string): string {
  const refusal = folderNameRefusal(raw);
  if (refusal !== undefined) throw domainError('name_invalid', refusal);
  return raw;
}

function folderNameRefusal(raw: string): string | undefined {
  const length = [...raw].length;
  if (length < 1 || length > folderNameCharactersMax) {
    return `A folder name has 1 to ${folderNameCharactersMax} characters.`;
  }
  if (!raw.isWellFormed()) return 'A folder name must be whole characters of Unicode.';
  if (raw.normalize('NFC') !== raw) return 'A folder name must be in the Unicode form NFC.';
  if (forbidden.test(raw)) return 'A folder name has no control characters, "/" or "\\".';
  if (raw.trim() !== raw) return 'A folder name has no space at its ends.';
  if (!visible.test(raw)) return 'A folder name has something to be seen.';
  if (raw === '.' || raw === '..' || reservedFolderNames.has(raw)) {
    return `"${raw}" is reserved and cannot name a folder.`;
  }
  return undefined;
}

/** Most names tried for a folder whose name its new viewer uses already. */
const aliasesMax = 100;

/** `name`, then `name (2)`, `name (3)` and so on, each within the limit: for who sees another folder under that name. */
export function* folderAliases(name: string): Generator<string, void, undefined> {
  yield name;
  for (let number = 2; number <= aliasesMax; number += 1) {
    const suffix = ` (${number})`;
    yield [...name]
      .slice(0, folderNameCharactersMax - suffix.length)
      .join('')
      .trimEnd() + suffix;
  }
}
