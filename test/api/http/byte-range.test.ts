import { describe, expect, it } from 'vitest';
import { parseByteRange } from '../../../api/http/byte-range.ts';

describe('a Range header', () => {
  it.each([
    ['bytes=0-0', { start: 0, end: 0 }],
    ['bytes=0-99', { start: 0, end: 99 }],
    ['bytes=10-', { start: 10, end: 99 }],
    ['bytes=90-1000', { start: 90, end: 99 }],
    ['bytes=-1', { start: 99, end: 99 }],
    ['bytes=-1000', { start: 0, end: 99 }],
    ['Bytes = 5-6', { start: 5, end: 6 }],
    ['bytes=,5-6,', { start: 5, end: 6 }],
  ])('selects %s of 100 bytes', (header, range) => {
    expect(parseByteRange(header, 100)).toEqual(range);
  });

  it.each([
    undefined,
    'bytes=',
    'bytes=-',
    'bytes=5-4',
    'bytes=a-b',
    'lines=1-2',
    'bytes=1-2=3',
    'bytes=0x1-2',
    'bytes=1.5-2',
  ])('answers the whole for %s', (header) => {
    expect(parseByteRange(header, 100)).toBeUndefined();
  });

  it.each(['bytes=100-', 'bytes=100-200', 'bytes=-0', 'bytes=100-,200-'])(
    'cannot satisfy %s of 100 bytes',
    (header) => {
      expect(parseByteRange(header, 100)).toBe('unsatisfiable');
    },
  );

  it('answers the whole for several ranges, and for a flood of them', () => {
    expect(parseByteRange('bytes=0-1,5-9', 100)).toBeUndefined();
    expect(parseByteRange(`bytes=${'0-1,'.repeat(5000)}0-1`, 100)).toBeUndefined();
  });

  it('cannot satisfy any range of an empty content', () => {
    expect(parseByteRange('bytes=0-', 0)).toBe('unsatisfiable');
    expect(parseByteRange('bytes=-5', 0)).toBe('unsatisfiable');
  });
});
