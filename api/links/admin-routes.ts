import { noInput } from '../http/schema.ts';
import { operatorOf } from '../operator.ts';
import { defineRoute, type Route } from '../route.ts';
import { readAllLinks, revokeAnyLink } from './operations.ts';
import { allLinksInput, linkPageBody, presentLink } from './schemas.ts';

const common = { access: 'admin', right: null, body: 'json' } as const;

const listRoute = defineRoute({
  ...common,
  method: 'GET',
  path: '/admin/links',
  input: allLinksInput,
  answers: { 200: linkPageBody },
  doc: {
    tag: 'Administration',
    id: 'listAllLinks',
    summary: 'List the links of everybody, newest first',
    refusals: ['not_found'],
  },
  handle: async ({ services, input }) => {
    const { user, folder, cursor, limit } = input;
    const { links, nextCursor } = await readAllLinks(services, { user, folder, cursor, limit });
    return { status: 200, body: { items: links.map(presentLink), next_cursor: nextCursor } };
  },
});

const revokeRoute = defineRoute({
  ...common,
  method: 'DELETE',
  path: '/admin/links/:id',
  input: noInput,
  answers: { 204: null },
  doc: {
    tag: 'Administration',
    id: 'revokeAnyLink',
    summary: 'Revoke anybody’s link',
    refusals: ['not_found'],
  },
  handle: async (request) => {
    await revokeAnyLink(request.services, operatorOf(request), request.params.id ?? '');
    return { status: 204 };
  },
});

/** Links of everybody, for administrators. */
export const allLinkRoutes: readonly Route[] = [listRoute, revokeRoute];
