import { describe, expect, it } from 'vitest';
import { acceptsExactly, refusesGzip } from '../../../api/http/accept.ts';

describe('negotiation of a download', () => {
  it.each([
    undefined,
    '',
    '*',
    'gzip',
    'gzip, identity',
    'identity;q=0',
    'deflate',
    'br',
    'GZIP;q=0.1, identity',
  ])('sends gzip for Accept-Encoding %s', (header) => {
    expect(refusesGzip(header)).toBe(false);
  });

  it.each(['identity', 'Identity;q=0.5', 'gzip;q=0', 'gzip;q=0, identity', '*;q=0', 'identity, deflate'])(
    'sends no gzip for Accept-Encoding %s',
    (header) => {
      expect(refusesGzip(header)).toBe(true);
    },
  );

  it('sends parts only to callers that name them', () => {
    expect(acceptsExactly('text/html, multipart/mixed', 'multipart/mixed')).toBe(true);
    expect(acceptsExactly('Multipart/Mixed; q=0.3', 'multipart/mixed')).toBe(true);
    expect(acceptsExactly('*/*', 'multipart/mixed')).toBe(false);
    expect(acceptsExactly('multipart/mixed;q=0', 'multipart/mixed')).toBe(false);
    expect(acceptsExactly(undefined, 'multipart/mixed')).toBe(false);
  });
});
