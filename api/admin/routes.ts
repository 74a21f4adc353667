import type { z } from 'zod';
import type { User } from '../../db/queries/users.ts';
import { defineRoute, type Route } from '../route.ts';
import { createUser, issueKeypair, readUsers } from './operations.ts';
import {
  newKeypairBody,
  newKeypairInput,
  newUserBody,
  newUserInput,
  type userBody,
  userListInput,
  userPageBody,
} from './schemas.ts';

function toUserBody(user: User): z.infer<typeof userBody> {
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
  answers: { 201: newUserBody },
  doc: { tag: 'Administration', id: 'createUser', summary: 'Make a user', refusals: ['email_taken'] },
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
  answers: { 200: userPageBody },
  doc: { tag: 'Administration', id: 'listUsers', summary: 'List users' },
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
  answers: { 201: newKeypairBody },
  doc: {
    tag: 'Administration',
    id: 'createKeypair',
    summary: 'Make a keypair for a user; its secret is shown once',
    refusals: ['not_found'],
  },
  handle: async ({ services, input }) => {
    const { accessKey, secretKey } = await issueKeypair(services, input.user);
    return { status: 201, body: { access_key: accessKey, secret_key: secretKey } };
  },
});

/** Routes for administrators. */
export const adminRoutes: readonly Route[] = [postUser, getUsers, postKeypair];
