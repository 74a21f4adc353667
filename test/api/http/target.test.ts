import { describe, expect, it } from 'vitest';
import { parseTarget } from '../../../api/http/target.ts';

describe('parseTarget', () => {
  it.each([
    ['/', '/', ''],
    ['/folders/My%20Data?path=.', '/folders/My%20Data', 'path=.'],
    ['/folders/a+b', '/folders/a%2Bb', ''],
    ['/folders/%66oo', '/folders/foo', ''],
    ['/folders/a%2Fb/files', '/folders/a%2Fb/files', ''],
    ['/folders/%25', '/folders/%25', ''],
    ['/folders/x/', '/folders/x/', ''],
    ['/folders?a=/../b//c', '/folders', 'a=/../b//c'],
    ['/a?b?c', '/a', 'b?c'],
  ])('reads %s', (url, routingPath, query) => {
    expect(parseTarget(url)).toMatchObject({ raw: url, routingPath, query });
  });

  it('reads bytes above ASCII as UTF-8, escaped or not, as the same name', () => {
    const raw = parseTarget(Buffer.from('/folders/데이터').toString('latin1'));
    expect(raw.raw).toBe('/folders/데이터');
    expect(raw.routingPath).toBe(parseTarget(`/folders/${encodeURIComponent('데이터')}`).routingPath);
  });

  it.each([
    ['http://Example.org/folders?a=b', '/folders', 'a=b'],
    ['HTTPS://example.org', '/', ''],
    ['http://example.org?a', '/', 'a'],
    ['http://example.org/x//', undefined, ''],
  ])('reads %s of the host it names as the path', (url, routingPath, query) => {
    const parse = () => parseTarget(url, 'example.org');
    if (routingPath === undefined) expect(parse).toThrowError(/empty segments/);
    else expect(parse()).toMatchObject({ routingPath, query, raw: expect.stringMatching(/^\//) });
  });

  it.each(['http://example.org:80/', 'http://other/', 'http://', 'http:///x', 'ws://example.org/'])(
    'refuses %s at example.org',
    (url) => {
      expect(() => parseTarget(url, 'example.org')).toThrowError(
        expect.objectContaining({ code: 'request_malformed' }),
      );
    },
  );

  it.each([
    '',
    '*',
    'folders',
    'http://example.org/folders',
    '//example.org/folders',
    '/folders//x',
    '/folders/..',
    '/folders/../x',
    '/folders/./x',
    '/folders/%2e%2E/x',
    '/folders/%2e',
    '/folders\\x',
    '/folders/#x',
    '/folders/%zz',
    '/folders/%4',
    '/folders/%',
    '/folders/%c0%ae',
    '/folders/%ff',
    '/folders/a%00b',
    '/folders/\xff',
  ])('refuses %j', (url) => {
    expect(() => parseTarget(url)).toThrowError(expect.objectContaining({ code: 'request_malformed' }));
  });
});
