const types = new Map([
  [0o140000, 's'],
  [0o120000, 'l'],
  [0o100000, '-'],
  [0o060000, 'b'],
  [0o040000, 'd'],
  [0o020000, 'c'],
  [0o010000, 'p'],
]);

/** Set-id and sticky bits take the place of the execute bit of their class: small when both are set. */
function formatClass(bits: number, special: { readonly isSet: boolean; readonly letter: string }): string {
  const isExecutable = (bits & 1) !== 0;
  const plain = isExecutable ? 'x' : '-';
  const marked = isExecutable ? special.letter : special.letter.toUpperCase();
  return `${(bits & 4) === 0 ? '-' : 'r'}${(bits & 2) === 0 ? '-' : 'w'}${special.isSet ? marked : plain}`;
}

/** `st_mode` as `ls -l` writes it: `-rw-r--r--`, `drwxr-xr-x`; an unknown type is `?`. */
export function formatFileMode(mode: number): string {
  const type = types.get(mode & 0o170000) ?? '?';
  const user = formatClass(mode >> 6, { isSet: (mode & 0o4000) !== 0, letter: 's' });
  const group = formatClass(mode >> 3, { isSet: (mode & 0o2000) !== 0, letter: 's' });
  const other = formatClass(mode, { isSet: (mode & 0o1000) !== 0, letter: 't' });
  return `${type}${user}${group}${other}`;
}
