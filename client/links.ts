import { z } from 'zod';
import type { Place } from './files.ts';
import { type Http, pathOf } from './http.ts';
import { type Link, linkModel } from './models.ts';
import { readPages } from './pages.ts';

const madeLinkModel = linkModel.extend({ token: z.string(), url: z.string() });

/** A link at the only moment its token and its url are told. */
export type MadeLink = z.infer<typeof madeLinkModel>;

/** A link as it is wanted: to a file or directory, to read it or to put new files there. */
export interface NewLink extends Place {
  readonly kind: 'download' | 'upload';
  readonly expiresInSeconds: number;
  /** Default: as many as come. */
  readonly usesMax: number | undefined;
  readonly password: string | undefined;
}

/** Links that let others read or fill a part of a folder, as the caller. */
export interface LinksApi {
  create(link: NewLink): Promise<MadeLink>;
  /** The caller's own and those of their folders, or of one folder; newest first. */
  list(folder?: string): Promise<Link[]>;
  show(id: string): Promise<Link>;
  /** It leads nowhere from the next request on. */
  revoke(id: string): Promise<void>;
}

/** Which links; what is `undefined` is no condition. */
export interface LinkFilter {
  /** Who made them. */
  readonly user: string | undefined;
  /** The id of a folder. */
  readonly folder: string | undefined;
}

/** Links of everybody, for administrators. */
export interface AllLinksApi {
  /** Newest first. */
  list(filter: LinkFilter): Promise<Link[]>;
  /** It leads nowhere from the next request on. */
  revoke(id: string): Promise<void>;
}

/** Opens the links of everybody. */
export function openAllLinks(http: Http): AllLinksApi {
  return {
    list: (filter) => readPages(http, '/admin/links', linkModel, { ...filter }),
    revoke: (id) => http.change('DELETE', `/admin/links${pathOf(id)}`),
  };
}

/** Opens the links of the caller. */
export function openLinks(http: Http): LinksApi {
  return {
    create: ({ folder, path, kind, expiresInSeconds, usesMax, password }) =>
      http.read('POST', '/links', madeLinkModel, {
        json: { folder, path, kind, expires_in: expiresInSeconds, max_uses: usesMax, password },
      }),
    list: (folder) => readPages(http, '/links', linkModel, { folder }),
    show: (id) => http.read('GET', pathOf('links', id), linkModel),
    revoke: (id) => http.change('DELETE', pathOf('links', id)),
  };
}
