import { describe, expect, it } from 'vitest';
import { isDomainError } from '../../domain/errors.ts';
import {
  mountSessionPattern,
  mountsReadOnly,
  mountTarget,
  parseMountAlias,
  readMountWish,
} from '../../domain/mount.ts';

function isRefused(alias: string): boolean {
  try {
    expect(parseMountAlias(alias)).toBe(alias);
    return false;
  } catch (error) {
    expect(isDomainError(error, 'name_invalid'), String(error)).toBe(true);
    return true;
  }
}

describe('what is to be mounted', () => {
  it.each([
    ['models', 'models', undefined],
    ['My Data:data', 'My Data', 'data'],
    ['a:b:c', 'a:b', 'c'],
    ['a:', 'a', ''],
    [':a', '', 'a'],
    ['', '', undefined],
  ])('%j is a folder and an alias, whichever folders there are', (text, nameOrId, alias) => {
    expect(readMountWish(text)).toEqual({ nameOrId, alias });
  });
});

describe('an alias', () => {
  it.each(['data', 'My Data', 'a.b', 'über', '模型', '-a', 'a'.repeat(64), '𝒳'.repeat(63)])(
    'may be %j',
    (alias) => {
      expect(isRefused(alias)).toBe(false);
      const segments = mountTarget(alias).split('/');
      expect(segments).toEqual(['', 'home', 'work', alias]);
    },
  );

  it.each([
    '',
    '.',
    '..',
    '../etc',
    'a/b',
    '/a',
    'a\\b',
    '.ssh',
    '.bashrc',
    'a:rw',
    'a,exec',
    'a"b',
    'a\0',
    'a\n',
    ' a',
    'a ',
    '\u202ea',
    '\u200b',
    'e\u0301',
    '\ud800',
    'a'.repeat(65),
    '𝒳'.repeat(64),
  ])('is never %j', (alias) => {
    expect(isRefused(alias)).toBe(true);
  });
});

describe('a session', () => {
  it('has a name that is one plain segment of a path', () => {
    for (const name of ['a', 'job-17', '0.a_B', 'a'.repeat(64)])
      expect(mountSessionPattern.test(name)).toBe(true);
    for (const name of ['', '.', '..', '-a', 'a b', 'a/b', 'é', 'a\n', 'a'.repeat(65)])
      expect(mountSessionPattern.test(name)).toBe(false);
  });
});

describe('a mount', () => {
  it('may be written to only by who may delete, for a file system knows no difference', () => {
    expect(mountsReadOnly({ permission: 'ro', isOwner: false })).toBe(true);
    expect(mountsReadOnly({ permission: 'rw', isOwner: false })).toBe(true);
    expect(mountsReadOnly({ permission: 'rd', isOwner: false })).toBe(false);
    expect(mountsReadOnly({ permission: 'ro', isOwner: true })).toBe(false);
  });
});
