import { z } from 'zod';
import { pathPrefixOf } from '../http/public-path.ts';
import { defineRoute, type Route } from '../route.ts';
import type { Services } from '../services.ts';
import { describeRoutes, type OpenApiDocument } from './document.ts';
import { type StyledPage, sendPage } from './styled-page.ts';

const noInput = z.object({});
const common = { method: 'GET', access: 'public', right: null, body: 'json', input: noInput } as const;

// Loaded and made when somebody reads it: most processes are never asked for it.
async function makePage(document: OpenApiDocument): Promise<StyledPage> {
  const { referencePage } = await import('./page.ts');
  return referencePage(document);
}

/** The document of all routes, these included; `all` is asked when somebody wants it, and the answer is kept. */
export function describingRoutes(all: () => readonly Route[]): readonly Route[] {
  let document: OpenApiDocument | undefined;
  let page: ReturnType<typeof makePage> | undefined;
  const read = ({ version, publicUrl }: Services): OpenApiDocument => {
    document ??= describeRoutes(all(), version, pathPrefixOf(publicUrl));
    return document;
  };
  return [
    defineRoute({
      ...common,
      path: '/openapi.json',
      answers: { 200: z.record(z.string(), z.unknown()) },
      doc: { tag: 'Service', id: 'getDocument', summary: 'Get this document' },
      handle: async ({ services }) => ({ status: 200, body: read(services) }),
    }),
    defineRoute({
      ...common,
      path: '/docs',
      answers: { 200: { media: ['text/html'] } },
      doc: { tag: 'Service', id: 'showDocument', summary: 'Read this document as a page', isForPeople: true },
      handle: async (request) => {
        page ??= makePage(read(request.services));
        return sendPage(request.outgoing, await page);
      },
    }),
  ];
}
