import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { z } from 'zod';

const valueSchema = z.union([
  z.object({ stringValue: z.string() }).transform(({ stringValue }) => stringValue),
  z.object({ intValue: z.union([z.number(), z.string()]) }).transform(({ intValue }) => Number(intValue)),
  z.object({ doubleValue: z.number() }).transform(({ doubleValue }) => doubleValue),
  z.object({ boolValue: z.boolean() }).transform(({ boolValue }) => boolValue),
]);
const attributesSchema = z
  .array(z.object({ key: z.string(), value: z.unknown() }))
  .transform((pairs) =>
    Object.fromEntries(pairs.map(({ key, value }) => [key, valueSchema.safeParse(value).data])),
  );
const exportSchema = z.object({
  resourceSpans: z.array(
    z.object({
      resource: z.object({ attributes: attributesSchema }),
      scopeSpans: z.array(
        z.object({
          spans: z.array(
            z.object({
              traceId: z.string(),
              spanId: z.string(),
              parentSpanId: z.string().optional(),
              name: z.string(),
              kind: z.number(),
              attributes: attributesSchema,
              status: z.object({ code: z.number().optional() }).optional(),
            }),
          ),
        }),
      ),
    }),
  ),
});

type Exported = z.output<typeof exportSchema>['resourceSpans'][number]['scopeSpans'][number]['spans'][number];

/** `kind` of spans that answer a request, and of those that run a job (OTLP). */
export const spanKinds = { internal: 1, server: 2, consumer: 5 } as const;

/** A span as a process sent it. */
export interface CollectedSpan extends Exported {
  /** Attributes of the process. */
  readonly resource: Readonly<Record<string, unknown>>;
}

/** Takes traces as collectors of OpenTelemetry do: OTLP over HTTP, as JSON. */
export interface Collector {
  /** The environment of processes that shall send to it, soon. */
  readonly env: Readonly<Record<string, string>>;
  /** All that arrived so far. */
  spans(): readonly CollectedSpan[];
  /** Text of all that arrived so far. */
  text(): string;
  /** Requests so far, answered or not. */
  requests(): number;
  close(): Promise<void>;
}

/** Starts a collector on a free port. `isHung`: it takes requests and never answers one. */
export async function startCollector({ isHung = false } = {}): Promise<Collector> {
  const spans: CollectedSpan[] = [];
  const texts: string[] = [];
  let requests = 0;
  const server = createServer(async (request, response) => {
    requests += 1;
    const body = await json(request);
    if (isHung) return;
    texts.push(JSON.stringify(body));
    for (const { resource, scopeSpans } of exportSchema.parse(body).resourceSpans) {
      for (const span of scopeSpans.flatMap((scope) => scope.spans))
        spans.push({ ...span, resource: resource.attributes });
    }
    response.writeHead(200, { 'Content-Type': 'application/json' }).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port }: AddressInfo = Object(server.address());
  return {
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_BSP_SCHEDULE_DELAY: '50',
    },
    spans: () => spans,
    text: () => texts.join('\n'),
    requests: () => requests,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
