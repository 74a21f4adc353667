import { hostname } from 'node:os';
import {
  type Context,
  type Span as RecordedSpan,
  type Tracer as Recorder,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api';
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import {
  defaultResource,
  detectResources,
  envDetector,
  type Resource,
  resourceFromAttributes,
} from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor, type SpanExporter } from '@opentelemetry/sdk-trace-base';
import type { Span, SpanEnd, TraceContext, Tracer } from '../domain/trace.ts';

/** What is recorded goes out in the background. */
export interface Tracing {
  readonly tracer: Tracer;
  /** Sends what was recorded; gives up after `deadlineMs`, when the collector does not take it. Never rejects. */
  close(deadlineMs: number): Promise<void>;
}

/** What a process says of itself, and how it sends. The libraries read the rest from the `OTEL_` variables themselves. */
export interface TracingOptions {
  /** As in `vfolder-api`; `OTEL_SERVICE_NAME` wins. */
  readonly role: string;
  readonly version: string;
  readonly protocol: 'http/protobuf' | 'http/json';
  /** Hears of every batch that the collector did not take. */
  readonly onError: (error: unknown) => void;
}

const kinds = { server: SpanKind.SERVER, consumer: SpanKind.CONSUMER } as const;
/** `ExportResult.code` of what arrived, and of what did not (@opentelemetry/core, ExportResultCode). */
const exported = 0;

function describeProcess({ role, version }: TracingOptions): Resource {
  const own = resourceFromAttributes({
    'service.name': `vfolder-${role}`,
    'service.version': version,
    'service.instance.id': `${hostname()}:${process.pid}`,
    'host.name': hostname(),
    'process.pid': process.pid,
  });
  return defaultResource()
    .merge(own)
    .merge(detectResources({ detectors: [envDetector] }));
}

/** Failures go to us in place of the library's own handler: a collector that is away is no fault of this process. */
function tellErrors(exporter: SpanExporter, onError: (error: unknown) => void): SpanExporter {
  return {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        if (result.code !== exported) onError(result.error ?? new Error('The collector refused the spans.'));
        done({ code: exported });
      }),
    shutdown: () => exporter.shutdown(),
    forceFlush: async () => exporter.forceFlush?.(),
  };
}

function contextOf(parent: TraceContext | undefined): Context {
  if (parent === undefined) return ROOT_CONTEXT;
  const { traceId, spanId, isSampled } = parent;
  const traceFlags = isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
}

function endSpan(span: RecordedSpan, { name, attributes, error }: SpanEnd): void {
  if (name !== undefined) span.updateName(name);
  if (attributes !== undefined) span.setAttributes(attributes);
  if (error !== undefined) {
    span.setAttribute('error.type', error);
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
  span.end();
}

function toSpan(recorder: Recorder, span: RecordedSpan): Span {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return {
    context: { traceId, spanId, isSampled: (traceFlags & TraceFlags.SAMPLED) !== 0 },
    part: (name, attributes = {}) =>
      toSpan(recorder, recorder.startSpan(name, { attributes }, trace.setSpan(ROOT_CONTEXT, span))),
    end: (end = {}) => endSpan(span, end),
  };
}

/**
 * Starts to record. Spans are kept in memory, 2,048 at most (`OTEL_BSP_MAX_QUEUE_SIZE`), and sent in batches; what does not
 * fit because the collector is away or slow is dropped, so that it never holds up whoever records.
 */
export function openTracing(options: TracingOptions): Tracing {
  const exporter = options.protocol === 'http/json' ? new JsonExporter() : new ProtobufExporter();
  const provider = new BasicTracerProvider({
    resource: describeProcess(options),
    spanProcessors: [new BatchSpanProcessor(tellErrors(exporter, options.onError))],
  });
  const recorder = provider.getTracer('vfolder', options.version);
  return {
    tracer: {
      begin: (name, { kind, parent, attributes = {} }) =>
        toSpan(recorder, recorder.startSpan(name, { kind: kinds[kind], attributes }, contextOf(parent))),
    },
    close: async (deadlineMs) => {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        const giveUp = () => {
          options.onError(new Error('The collector did not take the last spans in time.'));
          resolve();
        };
        timer = setTimeout(giveUp, deadlineMs);
      });
      await Promise.race([provider.shutdown().catch(options.onError), late]);
      clearTimeout(timer);
    },
  };
}
