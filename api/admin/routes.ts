import type { User } from '../../db/queries/users.ts';
import { defineRoute, type Route } from '../route.ts';
import { createUser, issueKeypair, readUsers } from './operations.ts';
import { newKeypairInput, newUserInput, userListInput } from './schemas.ts';

function toUserBody(user: User) {
  const { id, email, role, isActive, createdAt } = user;
  return { id, email, role, is_active: isActive, created_at: createdAt.toISOString() };
}

/** Makes a user. */
export const postUser = defineRoute({
  method: 'POST',
  path: '/admin/users',
  access: 'admin',
  right: null,
  body: 'json',
  input: newUserInput,
  handle: async ({ services, input }) => {
    const { id, email } = await createUser(services, input.email);
    return { status: 201, body: { id, email } };
  },
});

/** Lists users. */
export const getUsers = defineRoute({
  method: 'GET',
  path: '/admin/users',
  access: 'admin',
  right: null,
  body: 'json',
  input: userListInput,
  handle: async ({ services, input }) => {
    const { users, nextCursor } = await readUsers(services, input.cursor);
    return { status: 200, body: { items: users.map(toUserBody), next_cursor: nextCursor } };
  },
});

/** Makes a keypair; the one time its secret is shown. */
export const postKeypair = defineRoute({
  method: 'POST',
  path: '/admin/keypairs',
  access: 'admin',
  right: null,
  body: 'json',
  input: newKeypairInput,
  handle: async ({ services, input }) => {
    const { accessKey, secretKey } = await issueKeypair(services, input.user);
    return { status: 201, body: { access_key: accessKey, secret_key: secretKey } };
  },
});

/** Routes for administrators. */
export const adminRoutes: readonly Route[] = [postUser, getUsers, postKeypair];
