import { describe, expect, it } from 'vitest';
import { domainError, isDomainError } from '../../../domain/errors.ts';
import { hasErrno, toStorageError } from '../../../storage/posix/errno.ts';

function systemError(number: number, code: string): Error {
  return Object.assign(new Error(`${code}: failed, open '/secret/path'`), { errno: number, code });
}

function codeOf(number: number, code = 'UNKNOWN'): string {
  const error = toStorageError(systemError(number, code));
  return isDomainError(error) ? error.code : 'untyped';
}

describe('the code of a failed system call', () => {
  it('is found by number, because Node has no name for some', () => {
    expect(codeOf(-122, 'Unknown system error -122')).toBe('volume_full');
    expect(codeOf(-28, 'ENOSPC')).toBe('volume_full');
    expect(codeOf(-116)).toBe('volume_unavailable');
    expect(codeOf(-5, 'EIO')).toBe('volume_unavailable');
    expect(codeOf(-30, 'EROFS')).toBe('volume_unavailable');
    expect(codeOf(-24, 'EMFILE')).toBe('volume_unavailable');
    expect(codeOf(-2, 'ENOENT')).toBe('entry_not_found');
    expect(codeOf(-20, 'ENOTDIR')).toBe('entry_conflict');
    expect(codeOf(-13, 'EACCES')).toBe('entry_conflict');
    expect(codeOf(-11, 'EAGAIN')).toBe('entry_conflict');
    expect(codeOf(-36, 'ENAMETOOLONG')).toBe('path_invalid');
  });

  it('is never untyped, whatever the number', () => {
    for (let number = -1; number >= -133; number -= 1) expect(codeOf(number)).not.toBe('untyped');
  });

  it('comes with a sentence that holds no path, and keeps the system error as its cause', () => {
    for (let number = -1; number >= -133; number -= 1) {
      const cause = systemError(number, 'X');
      const error = toStorageError(cause);
      expect(error).toMatchObject({ cause, message: expect.not.stringContaining('/') });
    }
  });

  it('leaves alone what has a code already and what is no system error', () => {
    const typed = domainError('path_busy', 'Busy.');
    const plain = new Error('aborted');
    expect(toStorageError(typed)).toBe(typed);
    expect(toStorageError(plain)).toBe(plain);
    expect(toStorageError('text')).toBe('text');
    expect(hasErrno(plain, 'ENOENT')).toBe(false);
  });
});
