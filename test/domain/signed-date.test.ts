import { describe, expect, it } from 'vitest';
import { parseSignedDate } from '../../domain/signed-date.ts';

const moment = Date.UTC(2026, 10, 23, 13, 0, 0);

describe('parseSignedDate', () => {
  it.each([
    ['Mon, 23 Nov 2026 13:00:00 GMT', moment, '20261123'],
    ['Mon, 23 Nov 2026 13:00:00 UTC', moment, '20261123'],
    ['Tue, 24 Nov 2026 01:30:00 +1230', moment, '20261124'],
    ['Monday, 23-Nov-26 13:00:00 GMT', moment, '20261123'],
    ['Mon Nov 23 13:00:00 2026', moment, '20261123'],
    ['Fri Nov  6 08:49:37 2026', Date.UTC(2026, 10, 6, 8, 49, 37), '20261106'],
    ['2026-11-23T13:00:00Z', moment, '20261123'],
    ['2026-11-23T13:00:00.000Z', moment, '20261123'],
    ['2026-11-23T13:00:00.031961+00:00', moment + 31, '20261123'],
    ['2026-11-23T13:00:00', moment, '20261123'],
    ['2026-11-23 13:00:00', moment, '20261123'],
    ['2026-11-23T13:00', moment, '20261123'],
    ['20261123T130000Z', moment, '20261123'],
    ['2026-11-24T01:30:00+12:30', moment, '20261124'],
    ['2026-11-22T23:00:00-1400', moment, '20261122'],
    ['2026-11-23T22:00:00+09', moment, '20261123'],
  ])('reads %s', (text, epochMs, dayKey) => {
    expect(parseSignedDate(text, 2026)).toEqual({ epochMs, dayKey });
  });

  it('takes a two-digit year far ahead for one of the last century', () => {
    expect(parseSignedDate('Sunday, 06-Nov-94 08:49:37 GMT', 2026)?.dayKey).toBe('19941106');
  });

  it.each([
    '',
    'now',
    '1764000000',
    '2026-11-23',
    '2026-02-30T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-11-23T24:00:00Z',
    '2026-11-23T13:60:00Z',
    '2026-11-23T13:00:00+25:00',
    'Mon, 23 Foo 2026 13:00:00 GMT',
    'Mon, 23 Nov 2026 13:00:00 XYZ',
    '2026-11-23T13:00:00Z\u0000',
  ])('refuses %j', (text) => {
    expect(parseSignedDate(text, 2026)).toBeUndefined();
  });
});
