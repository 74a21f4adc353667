import { noInput } from '../http/schema.ts';
import { operatorOf } from '../operator.ts';
import { defineRoute, type Route } from '../route.ts';
import { allLinkRoutes } from './admin-routes.ts';
import type { LinkBounds } from './bounds.ts';
import { issueLink, readLink, readLinks, revokeLink } from './operations.ts';
import { linkBody, linkListInput, linkPageBody, newLinkBody, newLinkInput, presentLink } from './schemas.ts';
import { linkUseRoutes } from './use-routes.ts';

const common = { access: 'user', right: null, body: 'json' } as const;

function createRoute({ passwords }: LinkBounds): Route {
  return defineRoute({
    ...common,
    method: 'POST',
    path: '/links',
    input: newLinkInput,
    answers: { 201: newLinkBody },
    doc: {
      tag: 'Links',
      id: 'createLink',
      summary: 'Make a link to a file or directory; its token is shown once',
      refusals: [
        'not_found',
        'path_invalid',
        'entry_not_found',
        'entry_not_regular',
        'links_off',
        'link_limit_reached',
        'volume_unavailable',
      ],
      sets: { 201: ['Location'] },
    },
    handle: async (request) => {
      const { services, input, principal, baseUrl } = request;
      const { expires_in: seconds, expires_at: moment, max_uses: usesMax } = input;
      const by = { ...operatorOf(request), principal };
      const { link, token } = await issueLink(services, passwords, by, {
        nameOrId: input.folder,
        path: input.path,
        kind: input.kind,
        expiresInSeconds: seconds ?? undefined,
        expiresAt: typeof moment === 'string' ? new Date(moment) : undefined,
        usesMax: usesMax ?? null,
        password: input.password ?? undefined,
      });
      return {
        status: 201,
        headers: { Location: `/links/${link.id}` },
        body: { ...presentLink(link), token, url: `${baseUrl}/l/${token}` },
      };
    },
  });
}

const listRoute = defineRoute({
  ...common,
  method: 'GET',
  path: '/links',
  input: linkListInput,
  answers: { 200: linkPageBody },
  doc: {
    tag: 'Links',
    id: 'listLinks',
    summary: 'List your links and those of your folders, newest first',
    refusals: ['not_found'],
  },
  handle: async ({ services, principal, input }) => {
    const { folder, cursor, limit } = input;
    const page = await readLinks(services, { userId: principal.userId, folder, cursor, limit });
    return { status: 200, body: { items: page.links.map(presentLink), next_cursor: page.nextCursor } };
  },
});

const getRoute = defineRoute({
  ...common,
  method: 'GET',
  path: '/links/:id',
  input: noInput,
  answers: { 200: linkBody },
  doc: { tag: 'Links', id: 'getLink', summary: 'See a link', refusals: ['not_found'] },
  handle: async ({ services, principal, params }) => {
    const link = await readLink(services, { userId: principal.userId, id: params.id ?? '' });
    return { status: 200, body: presentLink(link) };
  },
});

const revokeRoute = defineRoute({
  ...common,
  method: 'DELETE',
  path: '/links/:id',
  input: noInput,
  answers: { 204: null },
  doc: { tag: 'Links', id: 'revokeLink', summary: 'Revoke a link', refusals: ['not_found'] },
  handle: async (request) => {
    await revokeLink(request.services, operatorOf(request), request.params.id ?? '');
    return { status: 204 };
  },
});

/** Making, listing and revoking links, those of everybody too, and what those may do who have one. */
export function linkRoutes(bounds: LinkBounds): readonly Route[] {
  const making = [createRoute(bounds), listRoute, getRoute, revokeRoute];
  return [...making, ...allLinkRoutes, ...linkUseRoutes(bounds)];
}
