import type { z } from 'zod';
import type { KeypairRecord } from '../../db/queries/keypairs.ts';
import { isOn } from '../admin/switch-state.ts';
import { noInput } from '../http/schema.ts';
import { operatorOf } from '../operator.ts';
import { defineRoute, type Route } from '../route.ts';
import {
  changeKeypair,
  type IssuedKeypair,
  issueKeypair,
  type KeypairPage,
  readKeypairs,
  removeKeypair,
  rotateKeypair,
} from './operations.ts';
import {
  issuedKeypairBody,
  keypairBody,
  keypairChangeInput,
  keypairListInput,
  keypairPageBody,
  newKeypairInput,
  ownKeypairListInput,
} from './schemas.ts';

const ofAdmins = { access: 'admin', right: null, body: 'json' } as const;
const ofUsers = { access: 'user', right: null, body: 'json', isKeypairOnly: true } as const;

function toBody(keypair: KeypairRecord): z.infer<typeof keypairBody> {
  const { accessKey, userId, email, isActive, createdAt } = keypair;
  return {
    access_key: accessKey,
    user: userId,
    email,
    is_active: isActive,
    created_at: createdAt.toISOString(),
  };
}

function toPageBody({ keypairs, nextCursor }: KeypairPage): z.infer<typeof keypairPageBody> {
  return { items: keypairs.map(toBody), next_cursor: nextCursor };
}

function toIssuedBody({ accessKey, secretKey }: IssuedKeypair): z.infer<typeof issuedKeypairBody> {
  return { access_key: accessKey, secret_key: secretKey };
}

const ofEveryone: readonly Route[] = [
  defineRoute({
    ...ofAdmins,
    method: 'POST',
    path: '/admin/keypairs',
    input: newKeypairInput,
    answers: { 201: issuedKeypairBody },
    doc: {
      tag: 'Administration',
      id: 'createKeypair',
      summary: 'Make a keypair for a user; its secret is shown once',
      refusals: ['not_found'],
    },
    handle: async (call) => {
      const { services, input } = call;
      const request = { operator: operatorOf(call), user: input.user };
      return { status: 201, body: toIssuedBody(await issueKeypair(services, request)) };
    },
  }),
  defineRoute({
    ...ofAdmins,
    method: 'GET',
    path: '/admin/keypairs',
    input: keypairListInput,
    answers: { 200: keypairPageBody },
    doc: {
      tag: 'Administration',
      id: 'listKeypairs',
      summary: 'List keypairs, without their secrets',
      refusals: ['not_found'],
    },
    handle: async ({ services, input }) => {
      const { user, state, cursor, limit } = input;
      const page = await readKeypairs(services, { user, isActive: isOn(state), cursor, limit });
      return { status: 200, body: toPageBody(page) };
    },
  }),
  defineRoute({
    ...ofAdmins,
    method: 'PATCH',
    path: '/admin/keypairs/:key',
    input: keypairChangeInput,
    answers: { 200: keypairBody },
    doc: {
      tag: 'Administration',
      id: 'changeKeypair',
      summary: 'Switch a keypair on or off',
      refusals: ['not_found', 'last_admin'],
    },
    handle: async (call) => {
      const { services, params, input } = call;
      const keypair = { operator: operatorOf(call), accessKey: params.key ?? '' };
      const change = { ...keypair, isActive: input.state === 'active' };
      return { status: 200, body: toBody(await changeKeypair(services, change)) };
    },
  }),
  defineRoute({
    ...ofAdmins,
    method: 'POST',
    path: '/admin/keypairs/:key/rotate',
    input: noInput,
    answers: { 200: issuedKeypairBody },
    doc: {
      tag: 'Administration',
      id: 'rotateKeypair',
      summary: 'Give a keypair another secret, which is shown once',
      refusals: ['not_found'],
    },
    handle: async (call) => {
      const { services, params } = call;
      const keypair = { operator: operatorOf(call), accessKey: params.key ?? '' };
      return { status: 200, body: toIssuedBody(await rotateKeypair(services, keypair)) };
    },
  }),
  defineRoute({
    ...ofAdmins,
    method: 'DELETE',
    path: '/admin/keypairs/:key',
    input: noInput,
    answers: { 204: null },
    doc: {
      tag: 'Administration',
      id: 'deleteKeypair',
      summary: 'Remove a keypair for good',
      refusals: ['not_found', 'last_admin'],
    },
    handle: async (call) => {
      const { services, params } = call;
      await removeKeypair(services, { operator: operatorOf(call), accessKey: params.key ?? '' });
      return { status: 204 };
    },
  }),
];

const ofCaller: readonly Route[] = [
  defineRoute({
    ...ofUsers,
    method: 'GET',
    path: '/me/keypairs',
    input: ownKeypairListInput,
    answers: { 200: keypairPageBody },
    doc: { tag: 'Account', id: 'listOwnKeypairs', summary: 'List your keypairs, without their secrets' },
    handle: async ({ services, principal, input }) => {
      const { state, cursor, limit } = input;
      const request = { user: principal.userId, isActive: isOn(state), cursor, limit };
      return { status: 200, body: toPageBody(await readKeypairs(services, request)) };
    },
  }),
  defineRoute({
    ...ofUsers,
    method: 'POST',
    path: '/me/keypairs/:key/rotate',
    input: noInput,
    answers: { 200: issuedKeypairBody },
    doc: {
      tag: 'Account',
      id: 'rotateOwnKeypair',
      summary: 'Give one of your keypairs another secret, which is shown once',
      refusals: ['not_found'],
    },
    handle: async (call) => {
      const { services, principal, params } = call;
      const { userId } = principal;
      const keypair = { operator: operatorOf(call), accessKey: params.key ?? '', userId };
      return { status: 200, body: toIssuedBody(await rotateKeypair(services, keypair)) };
    },
  }),
];

/** Routes about keypairs: everybody's for administrators, and the caller's own. */
export const keypairRoutes: readonly Route[] = [...ofEveryone, ...ofCaller];
