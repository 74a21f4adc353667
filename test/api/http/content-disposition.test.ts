import { describe, expect, it } from 'vitest';
import { attachment } from '../../../api/http/content-disposition.ts';

function decode(header: string): string {
  const extended = /filename\*=UTF-8''(\S+)$/.exec(header)?.[1];
  return extended === undefined ? (/filename="(.*)"/.exec(header)?.[1] ?? '') : decodeURIComponent(extended);
}

describe('Content-Disposition of a download', () => {
  it('leaves a plain name as it is', () => {
    expect(attachment('report 1.csv')).toBe('attachment; filename="report 1.csv"');
  });

  it.each([
    'a"b.txt',
    'a\\b.txt',
    '100%.txt',
    "it's*.txt",
    'Überraschung 日本語.txt',
    'line\r\nX-Injected: 1',
    '\u202egpj.exe',
    `${'長'.repeat(85)}`,
    '-leading',
    ' ',
  ])('brings back %j and stays plain ASCII on one line', (name) => {
    const header = attachment(name);
    expect(decode(header)).toBe(name);
    expect(header).toMatch(/^[\x20-\x7e]*$/);
    expect(header.match(/"/g)).toHaveLength(2);
  });

  it('shows only the last component of a path', () => {
    expect(attachment('a/b/c.txt')).toBe('attachment; filename="c.txt"');
  });
});
