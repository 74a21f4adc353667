import { describe, expect, it } from 'vitest';
import { formatFileMode } from '../../../../api/folders/files/file-mode.ts';

describe('formatFileMode', () => {
  // As printed by Python's stat.filemode, which the published clients were written against.
  it.each([
    [0o100644, '-rw-r--r--'],
    [0o040755, 'drwxr-xr-x'],
    [0o120777, 'lrwxrwxrwx'],
    [0o010600, 'prw-------'],
    [0o140755, 'srwxr-xr-x'],
    [0o020666, 'crw-rw-rw-'],
    [0o060660, 'brw-rw----'],
    [0o041777, 'drwxrwxrwt'],
    [0o041776, 'drwxrwxrwT'],
    [0o104755, '-rwsr-xr-x'],
    [0o104644, '-rwSr--r--'],
    [0o102755, '-rwxr-sr-x'],
    [0o102745, '-rwxr-Sr-x'],
    [0o100000, '----------'],
    [0, '?---------'],
  ])('writes %o as %s', (mode, text) => {
    expect(formatFileMode(mode)).toBe(text);
  });
});
