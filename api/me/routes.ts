import { z } from 'zod';
import { findFolderAllowance } from '../../db/queries/folders.ts';
import { findUserByReference } from '../../db/queries/users.ts';
import { domainError } from '../../domain/errors.ts';
import { noInput } from '../http/schema.ts';
import { count, uuid } from '../http/wire.ts';
import { defineRoute, type Route } from '../route.ts';

/** The caller. `role` is what this request acts as: a token never acts as an administrator, and has no access key. */
const meBody = z
  .object({
    id: uuid,
    email: z.string(),
    role: z.enum(['user', 'admin']),
    access_key: z.string().nullable(),
    policy: z.string(),
    folders: count,
    limits: z.object({ folders: count, folder_bytes: count, folder_files: count }),
  })
  .meta({ id: 'Me' });

/** Routes about the caller. */
export const meRoutes: readonly Route[] = [
  defineRoute({
    method: 'GET',
    path: '/me',
    access: 'user',
    right: null,
    body: 'json',
    input: noInput,
    answers: { 200: meBody },
    doc: { tag: 'Account', id: 'getMe', summary: 'See who you are, and what you may own' },
    handle: async ({ services, principal }) => {
      const user = await findUserByReference(services.db, principal.userId);
      const allowance = await findFolderAllowance(services.db, principal.userId);
      if (user === null || allowance === null) throw domainError('internal', 'A principal is no user.');
      const { foldersMax, folderBytesMax, folderFilesMax, foldersOwned } = allowance;
      const body = {
        id: user.id,
        email: user.email,
        role: principal.role,
        access_key: principal.token === undefined ? principal.accessKey : null,
        policy: user.policy,
        folders: foldersOwned,
        limits: { folders: foldersMax, folder_bytes: folderBytesMax, folder_files: folderFilesMax },
      };
      return { status: 200, body };
    },
  }),
];
