import { expect, it } from 'vitest';
import { folderAliases, folderNameCharactersMax, parseFolderName } from '../../domain/folder-name.ts';

it.each(['\u200b', '\u00ad\u2060', '\u3164', '\ufeff\u200d', 'a\u2028b', 'a\u2029b'])(
  'refuses %j',
  (name) => {
    expect(() => parseFolderName(name)).toThrowError(/^A folder name has /);
  },
);

it.each(['데이터', 'خانه\u200cها', '👩\u200d💻', 'a\u00adb', '-'])('takes %j', (name) => {
  expect(parseFolderName(name)).toBe(name);
});

it('offers a name, then numbered ones, all of them names a folder may have', () => {
  for (const name of ['data', '🗂'.repeat(64), `${'a'.repeat(58)} bcdef`, 'é'.repeat(64)]) {
    const aliases = [...folderAliases(name)];
    expect(aliases[0]).toBe(name);
    expect(new Set(aliases).size).toBe(100);
    for (const alias of aliases) {
      expect(parseFolderName(alias)).toBe(alias);
      expect([...alias].length).toBeLessThanOrEqual(folderNameCharactersMax);
    }
  }
  expect([...folderAliases('data')].slice(1, 3)).toEqual(['data (2)', 'data (3)']);
});
