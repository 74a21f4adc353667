import { expect, it } from 'vitest';
import { compileGlob } from '../../cli/glob.ts';

it.each([
  ['*.csv', ['a.csv', '.csv', 'ü.csv'], ['a.csv.gz', 'acsv', 'A.CSV']],
  ['?', ['a', '名', '😀'], ['', 'ab']],
  ['a*b*c', ['abc', 'aXbYc', 'abbbc', 'abcbc'], ['ab', 'acb', 'abcd']],
  ['[a-c]x', ['ax', 'bx', 'cx'], ['dx', 'x', '-x']],
  ['[!a-c]x', ['dx', '-x'], ['ax', 'x']],
  ['[]a]', [']', 'a'], ['b', '[]a]']],
  ['[a-]', ['a', '-'], ['b']],
  ['\\*\\[', ['*['], ['a[', '\\*[']],
  ['', [''], ['a']],
  ['**', ['', 'anything'], []],
  ['(a|b).{2}$', ['(a|b).{2}$'], ['a..']],
])('the pattern %j means what it means to a shell', (glob, matching, others) => {
  const matches = compileGlob(glob);
  expect(matching.filter((name) => !matches(name))).toEqual([]);
  expect(others.filter((name) => matches(name))).toEqual([]);
});

it('a bracket that is never closed is refused', () => {
  expect(() => compileGlob('a[b')).toThrow(/without its "\]"/);
});

it('stars that nearly match do not take for ever', () => {
  const name = 'a'.repeat(255);
  expect(compileGlob(`${'*a'.repeat(100)}b`)(name)).toBe(false);
  expect(compileGlob(`${'*a'.repeat(100)}*`)(name)).toBe(true);
});
