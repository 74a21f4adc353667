import { z } from 'zod';
import type { LinkRecord } from '../../db/queries/links.ts';
import { toHexId } from '../../domain/ids.ts';
import {
  linkKinds,
  linkPasswordCharacters,
  linkStateOf,
  linkStates,
  linkUsesMax,
} from '../../domain/link.ts';
import { sortOrders } from '../../storage/volume.ts';
import { pageLimit, userReference } from '../admin/schemas.ts';
import { listLimitMax } from '../folders/files/operations.ts';
import { listedEntry } from '../folders/files/schemas.ts';
import { queryInteger } from '../http/schema.ts';
import { count, hexId, instant, uuid } from '../http/wire.ts';

const expiresInMin = 60;
const expiresInMax = 10 * 365 * 24 * 60 * 60;

const password = z
  .string()
  .refine((text) => text.isWellFormed() && !text.includes('\0'), 'A password is text without NUL.')
  .refine((text) => {
    const characters = [...text.normalize('NFC')].length;
    return characters >= linkPasswordCharacters.min && characters <= linkPasswordCharacters.max;
  }, `A password has ${linkPasswordCharacters.min} to ${linkPasswordCharacters.max} characters.`);

/** `POST /links`: what the link leads to, what for, and until when: so many seconds, or a moment; exactly one of both. */
export const newLinkInput = z
  .object({
    folder: z.string(),
    path: z.string().default(''),
    kind: z.enum(linkKinds).default('download'),
    expires_in: queryInteger({ min: expiresInMin, max: expiresInMax }).nullish(),
    expires_at: z.iso.datetime({ offset: true }).nullish(),
    max_uses: queryInteger({ min: 1, max: linkUsesMax }).nullish(),
    password: password.nullish(),
  })
  .refine(
    ({ expires_in: seconds, expires_at: moment }) => (seconds ?? null) === null || (moment ?? null) === null,
    {
      path: ['expires_at'],
      message: 'Say expires_in or expires_at, not both.',
    },
  )
  .refine(({ expires_in: seconds, expires_at: moment }) => (seconds ?? moment ?? null) !== null, {
    path: ['expires_in'],
    message: 'Say when it expires: expires_in or expires_at.',
  });

/** A link as those see it who may revoke it. */
export const linkBody = z
  .object({
    id: uuid,
    kind: z.enum(linkKinds),
    folder: hexId,
    folder_name: z.string().nullable(),
    path: z.string(),
    state: z.enum(linkStates),
    made_by: z.string(),
    has_password: z.boolean(),
    max_uses: count.nullable(),
    uses: count,
    created_at: instant,
    expires_at: instant,
    last_used_at: instant.nullable(),
  })
  .meta({ id: 'Link' });

/** A link as those see it who may revoke it. */
export function presentLink(link: LinkRecord): z.infer<typeof linkBody> {
  return {
    id: link.id,
    kind: link.kind,
    folder: toHexId(link.folderId),
    folder_name: link.folderName,
    path: link.path,
    state: linkStateOf(link),
    made_by: link.makerEmail,
    has_password: link.hasPassword,
    max_uses: link.usesMax,
    uses: link.uses,
    created_at: link.createdAt.toISOString(),
    expires_at: link.expiresAt.toISOString(),
    last_used_at: link.lastUsedAt?.toISOString() ?? null,
  };
}

/** Reply of `POST /links`: the one time the token itself is shown. */
export const newLinkBody = z.object({
  ...linkBody.shape,
  token: z.string(),
  url: z.string().meta({ format: 'uri' }),
});

/** `GET /links`: of one folder where it is named; newest first. */
export const linkListInput = z.object({
  folder: z.string().optional(),
  cursor: z.string().optional(),
  limit: pageLimit,
});

/** Reply of `GET /links`. */
export const linkPageBody = z.object({ items: z.array(linkBody), next_cursor: uuid.nullable() });

/** `GET /admin/links`: `user` who made them, by id or e-mail; `folder` is an id. */
export const allLinksInput = z.object({
  user: userReference.optional(),
  folder: z.string().optional(),
  cursor: z.string().optional(),
  limit: pageLimit,
});

/** `GET /l/:token`: which part of a directory, for those who ask for its listing. */
export const linkReadInput = z.object({
  cursor: z.string().optional(),
  limit: queryInteger({ min: 1, max: listLimitMax }).default(listLimitMax),
  sort: z.enum(sortOrders).optional(),
});

/** A directory behind a link, for those who accept `application/json`; paths begin at what the link leads to. */
export const linkListingBody = z.object({
  path: z.string(),
  items: z.array(listedEntry),
  next_cursor: z.string().nullable(),
});

/**
 * An upload by link replaces nothing and is not refused for a name that is taken, which would tell, for nothing, what is there: it takes
 * the next free numbered one.
 */
export const linkUploadInput = z.object({ if_exists: z.literal('rename').default('rename') });
