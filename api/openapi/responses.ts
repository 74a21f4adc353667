import { STATUS_CODES } from 'node:http';
import { z } from 'zod';
import { type ErrorCode, errorCodes } from '../../domain/errors.ts';
import { problemKinds } from '../problem.ts';
import type { Route } from '../route.ts';
import type { Answer } from './answers.ts';
import type { ReplyHeader } from './headers.ts';
import { type JsonSchema, type NamedSchemas, toJsonSchema } from './json-schema.ts';
import { refusalsByStatus } from './refusals.ts';

/** A problem of RFC 9457; some codes add members of their own. */
export const problemSchema = z
  .object({
    type: z.string().meta({ format: 'uri-reference' }),
    title: z.string(),
    status: z.int().min(400).max(599),
    detail: z.string(),
    instance: z.string(),
    code: z.enum(errorCodes),
    request_id: z.string().optional(),
    errors: z.array(z.object({ pointer: z.string(), detail: z.string() })).optional(),
  })
  .loose()
  .meta({ id: 'Problem' });

type Media = Readonly<Record<string, { readonly schema: JsonSchema }>>;

const isSchema = (answer: object): answer is z.ZodType => answer instanceof z.ZodType;

function mediaOf(answer: Answer, named: NamedSchemas): Media {
  if (answer === null) return {};
  if (isSchema(answer)) return { 'application/json': { schema: toJsonSchema(answer, named) } };
  const own = Object.fromEntries(
    answer.media.map((media) => [media, { schema: { contentMediaType: media } }] as const),
  );
  return 'json' in answer ? { ...mediaOf(answer.json, named), ...own } : own;
}

function problemMedia(codes: readonly ErrorCode[], named: NamedSchemas): Media {
  if (codes.length === 0) return {};
  const properties = { code: { enum: [...codes].sort() } };
  const schema = { allOf: [toJsonSchema(problemSchema, named), { type: 'object', properties }] };
  return { 'application/problem+json': { schema } };
}

const rateHeaders = ['X-RateLimit-Limit', 'X-RateLimit-Remaining', 'X-RateLimit-Window'] as const;

function headersOf(route: Route, status: number, codes: readonly ErrorCode[]): readonly ReplyHeader[] {
  const isWorthWaiting =
    status === 429 ||
    codes.some((code) => code === 'quota_exceeded' || problemKinds[code].retryAfterSeconds !== undefined);
  return [
    'X-Request-Id',
    ...(route.access === 'public' || !(status in route.answers) ? [] : rateHeaders),
    ...(route.doc.sets?.[status] ?? []),
    ...(isWorthWaiting ? (['Retry-After'] as const) : []),
    ...(status === 401 ? (['WWW-Authenticate'] as const) : []),
    ...(status === 416 ? (['Content-Range'] as const) : []),
  ];
}

function describe(route: Route, status: number, codes: readonly ErrorCode[]): string {
  const refused = codes.length === 0 ? '' : `Refused: ${codes.map((code) => `\`${code}\``).join(', ')}.`;
  return status in route.answers ? `${STATUS_CODES[status]}. ${refused}`.trim() : refused;
}

type Response = Readonly<Record<string, unknown>>;

/** Refusals that many routes have in common, by what they say; referred to by name. */
export type SharedRefusals = Map<string, { readonly name: string; readonly response: Response }>;

function share(status: number, response: Response, shared: SharedRefusals): Response {
  const key = JSON.stringify(response);
  const number = [...shared.values()].filter(({ name }) => name.startsWith(`Refused${status}`)).length;
  const made = { name: number === 0 ? `Refused${status}` : `Refused${status}-${number + 1}`, response };
  const { name } = shared.get(key) ?? made;
  if (!shared.has(key)) shared.set(key, made);
  return { $ref: `#/components/responses/${name}` };
}

/** What the operations of a document have in common. */
export interface Components {
  readonly schemas: NamedSchemas;
  readonly refusals: SharedRefusals;
}

function responseOf(
  route: Route,
  status: number,
  codes: readonly ErrorCode[],
  schemas: NamedSchemas,
): Response {
  const content = { ...mediaOf(route.answers[status] ?? null, schemas), ...problemMedia(codes, schemas) };
  const headers = headersOf(route, status, codes);
  return {
    description: describe(route, status, codes),
    headers: Object.fromEntries(headers.map((name) => [name, { $ref: `#/components/headers/${name}` }])),
    ...(route.method === 'HEAD' || Object.keys(content).length === 0 ? {} : { content }),
  };
}

/** Every response of a route, by status: what it answers, and what it refuses with. A HEAD has no body either way. */
export function responsesOf(
  route: Route,
  { schemas, refusals }: Components,
): Readonly<Record<string, Response>> {
  const byStatus = refusalsByStatus(route);
  const statuses = new Set([...Object.keys(route.answers).map(Number), ...byStatus.keys()]);
  const responses = [...statuses]
    .sort((left, right) => left - right)
    .map((status) => {
      const response = responseOf(route, status, byStatus.get(status) ?? [], schemas);
      return [
        String(status),
        status in route.answers ? response : share(status, response, refusals),
      ] as const;
    });
  return Object.fromEntries(responses);
}
