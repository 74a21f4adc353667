import type { z } from 'zod';
import type { User, UserHoldings } from '../../db/queries/users.ts';
import { noInput } from '../http/schema.ts';
import { operatorOf } from '../operator.ts';
import { defineRoute, type Route } from '../route.ts';
import { changeUser, createUser, readUser, readUsers } from './operations.ts';
import {
  newUserBody,
  newUserInput,
  type userBody,
  userChangeInput,
  userDetailsBody,
  userListInput,
  userPageBody,
} from './schemas.ts';
import { isOn } from './switch-state.ts';

const common = { access: 'admin', right: null, body: 'json' } as const;

function toUserBody(user: User): z.infer<typeof userBody> {
  const { id, email, role, isActive, policy, createdAt } = user;
  return { id, email, role, is_active: isActive, policy, created_at: createdAt.toISOString() };
}

function toDetailsBody(user: User & UserHoldings): z.infer<typeof userDetailsBody> {
  const { folders, usedBytes, usedFiles, keypairs, tokens } = user;
  return { ...toUserBody(user), folders, used_bytes: usedBytes, used_files: usedFiles, keypairs, tokens };
}

/** Makes a user. */
const postUser = defineRoute({
  ...common,
  method: 'POST',
  path: '/admin/users',
  input: newUserInput,
  answers: { 201: newUserBody },
  doc: { tag: 'Administration', id: 'createUser', summary: 'Make a user', refusals: ['email_taken'] },
  handle: async (call) => {
    const { services, input } = call;
    const request = { operator: operatorOf(call), email: input.email };
    const { id, email } = await createUser(services, request);
    return { status: 201, body: { id, email } };
  },
});

/** Lists users. */
const getUsers = defineRoute({
  ...common,
  method: 'GET',
  path: '/admin/users',
  input: userListInput,
  answers: { 200: userPageBody },
  doc: { tag: 'Administration', id: 'listUsers', summary: 'List users' },
  handle: async ({ services, input }) => {
    const { state, ...page } = input;
    const { users, nextCursor } = await readUsers(services, {
      role: page.role,
      text: page.text,
      cursor: page.cursor,
      limit: page.limit,
      isActive: isOn(state),
    });
    return { status: 200, body: { items: users.map(toUserBody), next_cursor: nextCursor } };
  },
});

/** Shows a user with what they have. */
const getUser = defineRoute({
  ...common,
  method: 'GET',
  path: '/admin/users/:id',
  input: noInput,
  answers: { 200: userDetailsBody },
  doc: {
    tag: 'Administration',
    id: 'getUser',
    summary: 'See a user, by id or e-mail address, with what they have',
    refusals: ['not_found'],
  },
  handle: async ({ services, params }) => ({
    status: 200,
    body: toDetailsBody(await readUser(services, params.id ?? '')),
  }),
});

/** Switches a user on or off, or gives them another role or policy. */
const patchUser = defineRoute({
  ...common,
  method: 'PATCH',
  path: '/admin/users/:id',
  input: userChangeInput,
  answers: { 200: userDetailsBody },
  doc: {
    tag: 'Administration',
    id: 'changeUser',
    summary: 'Switch a user on or off, or give them another role or policy',
    refusals: ['not_found', 'last_admin'],
  },
  handle: async (call) => {
    const { services, params, input } = call;
    const { state, role, policy } = input;
    const operator = operatorOf(call);
    const change = { operator, reference: params.id ?? '', isActive: isOn(state), role, policy };
    const user = await changeUser(services, change);
    return { status: 200, body: toDetailsBody(user) };
  },
});

/** Routes about users, for administrators. */
export const adminRoutes: readonly Route[] = [postUser, getUsers, getUser, patchUser];
