import { describe, expect, it } from 'vitest';
import { nameEncodingOf, partFileName } from '../../../api/uploads/part-name.ts';

/** As header bytes reach the parser. */
function bytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

describe('the way file names are written', () => {
  it.each([
    ['Backend.AI Client for Python 19.09.1', '----x', 'percent'],
    ['Python/3.11 aiohttp/3.8.4', '0123456789abcdef0123456789abcdef', 'percent'],
    ['curl/8.0', '------------------------abcdef', 'raw'],
    [undefined, '----formdata-undici-012345', 'raw'],
  ])('is told by user agent %j and boundary %j', (agent, boundary, expected) => {
    expect(nameEncodingOf(agent, boundary)).toBe(expected);
  });
});

describe('file names of parts', () => {
  it.each([
    ['form-data; name="src"; filename="a.txt"', 'a.txt'],
    ['form-data; name="src"; filename="dir/50%20 %22q%22.txt"', 'dir/50%20 "q".txt'],
    ['form-data; name="src"; filename=plain.bin', 'plain.bin'],
    ['form-data; name="src"; filename="back\\\\slash\\"quote"', 'back\\slash"quote'],
    ['form-data; name="src"; filename="C:\\dir\\x"', 'C:\\dir\\x'],
    ['form-data; filename="semi;colon=1.txt"; name="src"', 'semi;colon=1.txt'],
    [bytes('form-data; name="src"; filename="데이터 é.txt"'), '데이터 é.txt'],
    ['form-data; name="src"; filename="x"; filename*=utf-8\'\'%EB%8D%B0%2Fy', '데/y'],
    ['form-data; name="src"; filename=""', ''],
  ])('reads %j as browsers write it', (header, expected) => {
    expect(partFileName(header, 'raw')).toBe(expected);
  });

  it('decodes what aiohttp percent-encodes', () => {
    expect(partFileName('form-data; name="src"; filename="sub%2Fb%20c.bin"', 'percent')).toBe('sub/b c.bin');
  });

  it.each(['form-data; name="field"', 'attachment; filename="x"', '', 'form-data'])(
    'takes %j for no file',
    (header) => expect(partFileName(header, 'raw')).toBeUndefined(),
  );

  it.each([
    ['form-data; filename="%zz"', 'percent'],
    ['form-data; filename="%ff"', 'percent'],
    ['form-data; filename="\u00ff\u00fe"', 'raw'],
    ["form-data; filename*=latin1''x", 'raw'],
  ] as const)('refuses %j, which is not UTF-8', (header, encoding) => {
    expect(() => partFileName(header, encoding)).toThrow(expect.objectContaining({ code: 'path_invalid' }));
  });
});
