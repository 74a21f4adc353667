import { describe, expect, it } from 'vitest';
import {
  formatTraceparent,
  parseTraceparent,
  recordPart,
  type Span,
  traceFields,
} from '../../domain/trace.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const spanId = 'b7ad6b7169203331';

describe('a traceparent', () => {
  it.each([
    [`00-${traceId}-${spanId}-01`, true],
    [`00-${traceId}-${spanId}-00`, false],
    // The random flag of level 2 says nothing of sampling.
    [`00-${traceId}-${spanId}-02`, false],
    [`00-${traceId}-${spanId}-03`, true],
    [`cc-${traceId}-${spanId}-01-what-the-future-will-be-like`, true],
    [`cc-${traceId}-${spanId}-01`, true],
  ])('%s is read', (text, isSampled) => {
    expect(parseTraceparent(text)).toEqual({ traceId, spanId, isSampled });
  });

  it.each([
    '',
    `00-${traceId}-${spanId}`,
    `00-${traceId}-${spanId}-1`,
    `00-${traceId}-${spanId}-01-more`,
    `00-${traceId}-${spanId}-01\n`,
    `0-${traceId}-${spanId}-01`,
    `ff-${traceId}-${spanId}-01`,
    `cc-${traceId}-${spanId}-01.more`,
    `00-${traceId.toUpperCase()}-${spanId}-01`,
    `00-${'0'.repeat(32)}-${spanId}-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
    ` 00-${traceId}-${spanId}-01`,
  ])('%j is none', (text) => {
    expect(parseTraceparent(text)).toBeUndefined();
  });

  it('is written as it was read, with no flag but the one we know', () => {
    const context = parseTraceparent(`cc-${traceId}-${spanId}-ff`);
    if (context === undefined) throw new Error('It is one.');
    expect(formatTraceparent(context)).toBe(`00-${traceId}-${spanId}-01`);
    expect(formatTraceparent({ ...context, isSampled: false })).toBe(`00-${traceId}-${spanId}-00`);
  });
});

/** A span that notes what becomes of its parts. */
function notingSpan(ends: unknown[]): Span {
  return {
    context: { traceId, spanId, isSampled: true },
    part: (name) => ({ ...notingSpan(ends), end: (end = {}) => ends.push([name, end]) }),
    end: () => undefined,
  };
}

describe('a part of a span', () => {
  it('ends with the work, well or with the name of its error, which is passed on', async () => {
    const ends: unknown[] = [];
    const span = notingSpan(ends);
    expect(await recordPart(span, 'a.b', async () => 7)).toBe(7);
    const failing = recordPart(span, 'c.d', async () => {
      throw new RangeError('x');
    });
    await expect(failing).rejects.toThrow(new RangeError('x'));
    expect(ends).toEqual([
      ['a.b', {}],
      ['c.d', { error: 'RangeError' }],
    ]);
  });

  it('is just the work where nothing is recorded', async () => {
    expect(await recordPart(undefined, 'a.b', async () => 7)).toBe(7);
  });
});

it('log lines tell the span only when it is ours', () => {
  const context = { traceId, spanId, isSampled: true };
  expect(traceFields(notingSpan([]), context)).toEqual({ trace_id: traceId, span_id: spanId });
  expect(traceFields(undefined, context)).toEqual({ trace_id: traceId });
  expect(traceFields(undefined, undefined)).toEqual({});
});
