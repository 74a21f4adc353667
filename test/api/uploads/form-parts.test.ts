import { randomInt } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { readParts } from '../../../api/uploads/form-parts.ts';

type Part = [disposition: string, content: string];

/** `body` in pieces of `sizes` bytes, over and over. */
async function* cut(body: string, sizes: readonly number[]): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(body, 'latin1');
  for (let at = 0, index = 0; at < bytes.length; index += 1) {
    const size = sizes[index % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

async function read(body: string, sizes: readonly number[] = [body.length], boundary = 'b'): Promise<Part[]> {
  const parts: Part[] = [];
  for await (const { disposition, content } of readParts(cut(body, sizes), boundary)) {
    const pieces: Buffer[] = [];
    for await (const piece of content) pieces.push(piece);
    parts.push([disposition, Buffer.concat(pieces).toString('latin1')]);
  }
  return parts;
}

function form(parts: readonly Part[], boundary = 'b'): string {
  const text = parts.map(
    ([value, content]) => `--${boundary}\r\nContent-Disposition:${value}\r\n\r\n${content}\r\n`,
  );
  return `${text.join('')}--${boundary}--\r\n`;
}

describe('readParts', () => {
  it('finds the same parts wherever the body is cut into chunks', async () => {
    const tokens = ['\r', '\n', '\r\n', '--', '-', '--b', '\r\n--', '\r\n\r\n', 'x', '\0', '\r\n--c'];
    for (let round = 0; round < 300; round += 1) {
      const content = Array.from({ length: randomInt(12) }, () => tokens[randomInt(tokens.length)]).join('');
      // What is not its own delimiter by chance.
      if (`\r\n${content}\r\n`.includes('\r\n--b')) continue;
      const parts: Part[] = [
        [' first', content],
        [' second', `y${content}`],
      ];
      const sizes = Array.from({ length: 5 }, () => 1 + randomInt(9));
      expect(await read(form(parts), sizes), JSON.stringify({ content, sizes })).toEqual(parts);
      expect(await read(form(parts), [1])).toEqual(parts);
      expect(await read(form(parts))).toEqual(parts);
    }
  });

  it.each([
    '----WebKitFormBoundary7MA4YWxkTrZu0gW',
    '--------------------------abcdef0123456789',
    'aaaaaaaaaa',
    'xyz',
    'xyzz',
  ])('takes no beginning of a delimiter for a delimiter: %s', async (boundary) => {
    const delimiter = `\r\n--${boundary}`;
    for (let round = 0; round < 60; round += 1) {
      const tokens = () => delimiter.slice(0, 1 + randomInt(delimiter.length - 1));
      const content = Array.from({ length: 1 + randomInt(12) }, tokens).join('');
      if (`${content}\r\n--`.includes(delimiter)) continue;
      const parts: Part[] = [
        [' first', content],
        [' second', `${content}y`],
      ];
      const body = form(parts, boundary);
      for (const sizes of [[body.length], [1], [1 + randomInt(40), 1 + randomInt(9)]]) {
        expect(await read(body, sizes, boundary), JSON.stringify({ content, sizes })).toEqual(parts);
      }
    }
  });

  it.each([
    { what: 'text before the first delimiter', body: 'text\r\n--b\r\n\r\nx\r\n--b--', parts: [['', 'x']] },
    {
      what: 'text after the closing delimiter',
      body: '--b\r\n\r\nx\r\n--b--\r\n--b\r\n\r\ny',
      parts: [['', 'x']],
    },
    { what: 'spaces after a delimiter', body: '--b \t\r\n\r\nx\r\n--b--', parts: [['', 'x']] },
    { what: 'no part at all', body: '--b--', parts: [] },
    {
      what: 'a part without content whose head ends with the delimiter',
      body: '--b\r\nContent-Disposition: a\r\n\r\n--b--',
      parts: [[' a', '']],
    },
    {
      what: 'a head over several lines, in any case',
      body: '--b\r\nX: 1\r\n  2\r\ncontent-DISPOSITION: a;\r\n\tb\r\nX: 3\r\n 4\r\n\r\nx\r\n--b--',
      parts: [[' a;\tb', 'x']],
    },
    {
      what: 'the first of two dispositions',
      body: '--b\r\nContent-Disposition: a\r\nContent-Disposition: c\r\n\r\nx\r\n--b--',
      parts: [[' a', 'x']],
    },
    {
      what: 'no disposition behind a line that is none',
      body: '--b\r\nnonsense\r\nContent-Disposition: a\r\n\r\nx\r\n--b--',
      parts: [['', 'x']],
    },
  ])('reads $what', async ({ body, parts }) => {
    expect(await read(body)).toEqual(parts);
    expect(await read(body, [1])).toEqual(parts);
  });

  it('drops what is left of a part that nobody read to its end', async () => {
    const seen: string[] = [];
    const parts: Part[] = [
      [' a', 'x'.repeat(100)],
      [' c', 'y'],
    ];
    for await (const { disposition, content } of readParts(cut(form(parts), [7]), 'b')) {
      seen.push(disposition);
      for await (const _piece of content) break;
    }
    expect(seen).toEqual([' a', ' c']);
  });

  it.each([
    ['ends in its head', '--b\r\nContent-Disposition: a\r\n'],
    ['ends in its content', '--b\r\n\r\nx'],
    ['ends with a delimiter that does not close', '--b\r\n\r\nx\r\n--b'],
    ['has a head without end', `--b\r\nX: ${'x'.repeat(40_000)}`],
    ['is empty', ''],
  ])('refuses a body that %s', async (_what, body) => {
    await expect(read(body, [1_000])).rejects.toMatchObject({ code: 'request_malformed' });
  });

  it('closes its source when it is left early', async () => {
    let isClosed = false;
    async function* source() {
      try {
        yield Buffer.from('--b\r\n\r\nx');
        yield Buffer.from('more');
      } finally {
        isClosed = true;
      }
    }
    for await (const _part of readParts(source(), 'b')) break;
    expect(isClosed).toBe(true);
  });
});
