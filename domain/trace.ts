/** A place in a trace: which trace, and which of its spans (W3C Trace Context, level 2). */
export interface TraceContext {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits. */
  readonly spanId: string;
  /** Whether somebody records the trace. */
  readonly isSampled: boolean;
}

const form = /^(?!ff)([\da-f]{2})-(?!0{32})([\da-f]{32})-(?!0{16})([\da-f]{16})-([\da-f]{2})(-.*)?$/;

/** Reads a `traceparent` (W3C Trace Context §3.2); later versions may go on after what we know. `undefined` when it is none. */
export function parseTraceparent(text: string): TraceContext | undefined {
  const [, version, traceId, spanId, flags = '', rest] = form.exec(text) ?? [];
  if (traceId === undefined || spanId === undefined) return undefined;
  if (version === '00' && rest !== undefined) return undefined;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** Writes a `traceparent` of version 00, 55 characters. */
export function formatTraceparent({ traceId, spanId, isSampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`;
}

/** What is told of a span: numbers, and words and ids of ours, never names of entries. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

/** How a span ends. */
export interface SpanEnd {
  /** In place of the name it began with. */
  readonly name?: string;
  readonly attributes?: SpanAttributes;
  /** What went wrong, as a word of ours (`error.type`); `undefined` when nothing did. */
  readonly error?: string | undefined;
}

/** Work that is being recorded. No call throws or waits. */
export interface Span {
  readonly context: TraceContext;
  /** Begins a part of it. */
  part(name: string, attributes?: SpanAttributes): Span;
  /** Ends it; later calls change nothing. */
  end(end?: SpanEnd): void;
}

/** Where work is recorded; the mains hand it in. */
export interface Tracer {
  /** `server` answers somebody, `consumer` runs what somebody left to it. `parent`: what it belongs to; else a trace begins. */
  begin(
    name: string,
    options: {
      readonly kind: 'server' | 'consumer';
      readonly parent: TraceContext | undefined;
      readonly attributes?: SpanAttributes;
    },
  ): Span;
}

/** What log lines find a trace by. `context`: of a span of ours, or of the caller, whose span is not ours to tell. */
export function traceFields(
  span: Span | undefined,
  context: TraceContext | undefined,
): Readonly<Record<string, string>> {
  if (span !== undefined) return { trace_id: span.context.traceId, span_id: span.context.spanId };
  return context === undefined ? {} : { trace_id: context.traceId };
}

/** Runs `work` as a part of `span`; just runs it where nothing is recorded. */
export async function recordPart<T>(
  span: Span | undefined,
  name: string,
  work: () => Promise<T>,
): Promise<T> {
  if (span === undefined) return await work();
  const part = span.part(name);
  try {
    const result = await work();
    part.end();
    return result;
  } catch (error) {
    part.end({ error: error instanceof Error ? error.name : 'unknown' });
    throw error;
  }
}
