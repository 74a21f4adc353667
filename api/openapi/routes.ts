import { z } from 'zod';
import { defineRoute, type Route } from '../route.ts';
import { describeRoutes, type OpenApiDocument } from './document.ts';

const noInput = z.object({});
const common = { method: 'GET', access: 'public', right: null, body: 'json', input: noInput } as const;

/** The document of all routes, these included; `all` is asked when somebody wants it, and the answer is kept. */
export function describingRoutes(all: () => readonly Route[]): readonly Route[] {
  let document: OpenApiDocument | undefined;
  const read = (version: string): OpenApiDocument => {
    document ??= describeRoutes(all(), version);
    return document;
  };
  return [
    defineRoute({
      ...common,
      path: '/openapi.json',
      answers: { 200: z.record(z.string(), z.unknown()) },
      doc: { tag: 'Service', id: 'getDocument', summary: 'Get this document' },
      handle: async ({ services }) => ({ status: 200, body: read(services.version) }),
    }),
  ];
}
