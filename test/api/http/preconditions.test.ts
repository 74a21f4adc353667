import { describe, expect, it } from 'vitest';
import { httpDateSeconds, selectRepresentation } from '../../../api/http/preconditions.ts';

const etag = '"12-100-7"';
const modifiedAt = new Date('2026-05-04T03:02:01.500Z');
const representation = { etag, modifiedAt, sizeBytes: 100 };
const before = 'Mon, 04 May 2026 03:02:00 GMT';
const same = 'Mon, 04 May 2026 03:02:01 GMT';

function kindOf(headers: Record<string, string>, method = 'GET'): string {
  return selectRepresentation(method, headers, representation).kind;
}

describe('conditions of a GET', () => {
  it.each([
    [{}, 'whole'],
    [{ 'if-match': etag }, 'whole'],
    [{ 'if-match': '*' }, 'whole'],
    [{ 'if-match': '"other", "12-100-7"' }, 'whole'],
    [{ 'if-match': '"other"' }, 'precondition_failed'],
    [{ 'if-match': `W/${etag}` }, 'precondition_failed'],
    [{ 'if-unmodified-since': before }, 'precondition_failed'],
    [{ 'if-unmodified-since': same }, 'whole'],
    [{ 'if-match': etag, 'if-unmodified-since': before }, 'whole'],
    [{ 'if-none-match': etag }, 'not_modified'],
    [{ 'if-none-match': `W/${etag}` }, 'not_modified'],
    [{ 'if-none-match': '*' }, 'not_modified'],
    [{ 'if-none-match': '"other"' }, 'whole'],
    [{ 'if-modified-since': same }, 'not_modified'],
    [{ 'if-modified-since': before }, 'whole'],
    [{ 'if-modified-since': 'yesterday' }, 'whole'],
    [{ 'if-modified-since': '2030' }, 'whole'],
    [{ 'if-modified-since': '2030-01-01T00:00:00Z' }, 'whole'],
    [{ 'if-unmodified-since': '0' }, 'whole'],
    [{ 'if-unmodified-since': 'Monday, 04-May-26 03:02:00 GMT' }, 'precondition_failed'],
    [{ 'if-unmodified-since': 'Monday, 04-May-26 03:02:01 GMT' }, 'whole'],
    [{ 'if-none-match': '"other"', 'if-modified-since': same }, 'whole'],
    [{ range: 'bytes=0-9' }, 'range'],
    [{ range: 'bytes=0-9', 'if-range': etag }, 'range'],
    [{ range: 'bytes=0-9', 'if-range': '"other"' }, 'whole'],
    [{ range: 'bytes=0-9', 'if-range': `W/${etag}` }, 'whole'],
    [{ range: 'bytes=0-9', 'if-range': same }, 'whole'],
    [{ range: 'bytes=500-', 'if-range': '"other"' }, 'whole'],
    [{ range: 'bytes=500-' }, 'range_not_satisfiable'],
    [{ range: 'bytes=500-', 'if-match': '"other"' }, 'precondition_failed'],
    [{ range: 'bytes=0-9', 'if-none-match': etag }, 'not_modified'],
  ] as const)('%j answers %s', (headers, kind) => {
    expect(kindOf(headers)).toBe(kind);
  });

  it('ignores a range on HEAD', () => {
    expect(kindOf({ range: 'bytes=0-9' }, 'HEAD')).toBe('whole');
    expect(kindOf({ range: 'bytes=500-' }, 'HEAD')).toBe('whole');
  });
});

describe('httpDateSeconds', () => {
  it('reads the form without a zone as UTC, wherever the service runs', () => {
    const zone = process.env.TZ;
    process.env.TZ = 'Asia/Seoul';
    try {
      expect(httpDateSeconds('Mon May  4 03:02:01 2026')).toBe(Date.UTC(2026, 4, 4, 3, 2, 1) / 1000);
    } finally {
      if (zone === undefined) delete process.env.TZ;
      else process.env.TZ = zone;
    }
  });
});
