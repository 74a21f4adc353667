import { noInput } from '../http/schema.ts';
import { operatorOf } from '../operator.ts';
import { defineRoute, type Route } from '../route.ts';
import {
  beginMounts,
  endAnyMounts,
  endMounts,
  listMounts,
  readAllMounts,
  readMounts,
  renewMounts,
} from './operations.ts';
import {
  heartbeatInput,
  mountInput,
  mountListBody,
  mountListInput,
  mountPageBody,
  mountSessionBody,
  presentMountSession,
  presentOwnedSession,
} from './schemas.ts';

const begin = defineRoute({
  method: 'POST',
  path: '/mounts',
  access: 'user',
  right: null,
  body: 'json',
  input: mountInput,
  answers: { 200: mountSessionBody, 201: mountSessionBody },
  doc: {
    tag: 'Mounts',
    id: 'beginMounts',
    summary: 'Mount folders for a compute session',
    refusals: ['not_found', 'mounts_differ', 'mount_limit_reached', 'volume_unavailable'],
    sets: { 201: ['Location'] },
  },
  handle: async ({ services, principal, input }) => {
    const { session: name, folders, read_only: isReadOnly, lease_seconds: leaseSeconds } = input;
    const request = { userId: principal.userId, session: name, folders, isReadOnly, leaseSeconds };
    const { session, isNew } = await beginMounts(services, request);
    const body = presentMountSession(services, session);
    return isNew ? { status: 201, headers: { Location: `/mounts/${name}` }, body } : { status: 200, body };
  },
});

const list = defineRoute({
  method: 'GET',
  path: '/mounts',
  access: 'user',
  right: null,
  body: 'json',
  input: noInput,
  answers: { 200: mountListBody },
  doc: { tag: 'Mounts', id: 'listMounts', summary: 'List your sessions that have folders mounted' },
  handle: async ({ services, principal }) => {
    const sessions = await listMounts(services, principal.userId);
    return {
      status: 200,
      body: { items: sessions.map((session) => presentMountSession(services, session)) },
    };
  },
});

const read = defineRoute({
  method: 'GET',
  path: '/mounts/:session',
  access: 'user',
  right: null,
  body: 'json',
  input: noInput,
  answers: { 200: mountSessionBody },
  doc: { tag: 'Mounts', id: 'getMounts', summary: 'See what a session has mounted', refusals: ['not_found'] },
  handle: async ({ services, principal, params }) => {
    const request = { userId: principal.userId, session: params.session ?? '' };
    return { status: 200, body: presentMountSession(services, await readMounts(services, request)) };
  },
});

const heartbeat = defineRoute({
  method: 'POST',
  path: '/mounts/:session/heartbeat',
  access: 'user',
  right: null,
  body: 'json',
  input: heartbeatInput,
  answers: { 200: mountSessionBody },
  doc: {
    tag: 'Mounts',
    id: 'renewMounts',
    summary: 'Have the lease of a session begin anew',
    refusals: ['not_found'],
  },
  handle: async ({ services, principal, params, input }) => {
    const request = { userId: principal.userId, session: params.session ?? '' };
    const session = await renewMounts(services, { ...request, leaseSeconds: input.lease_seconds });
    return { status: 200, body: presentMountSession(services, session) };
  },
});

const end = defineRoute({
  method: 'DELETE',
  path: '/mounts/:session',
  access: 'user',
  right: null,
  body: 'json',
  input: noInput,
  answers: { 204: null },
  doc: { tag: 'Mounts', id: 'endMounts', summary: 'End the mounts of a session', refusals: ['not_found'] },
  handle: async ({ services, principal, params }) => {
    await endMounts(services, { userId: principal.userId, session: params.session ?? '' });
    return { status: 204 };
  },
});

const listAll = defineRoute({
  method: 'GET',
  path: '/admin/mounts',
  access: 'admin',
  right: null,
  body: 'json',
  input: mountListInput,
  answers: { 200: mountPageBody },
  doc: {
    tag: 'Administration',
    id: 'listAllMounts',
    summary: 'List the sessions of everybody that have folders mounted',
    refusals: ['not_found'],
  },
  handle: async ({ services, input }) => {
    const { user, folder, host, cursor, limit } = input;
    const request = { user, folder, host, cursor, limit };
    const { sessions, nextCursor } = await readAllMounts(services, request);
    const items = sessions.map((session) => presentOwnedSession(services, session));
    return { status: 200, body: { items, next_cursor: nextCursor } };
  },
});

const endAny = defineRoute({
  method: 'DELETE',
  path: '/admin/mounts/:id',
  access: 'admin',
  right: null,
  body: 'json',
  input: noInput,
  answers: { 204: null },
  doc: {
    tag: 'Administration',
    id: 'endAnyMounts',
    summary: 'End the mounts of anybody’s session',
    refusals: ['not_found'],
  },
  handle: async (call) => {
    const { services, params } = call;
    await endAnyMounts(services, { operator: operatorOf(call), id: params.id ?? '' });
    return { status: 204 };
  },
});

/** Folders that compute sessions mount: leases on them, and what is mounted where. */
export const mountRoutes: readonly Route[] = [begin, list, read, heartbeat, end, listAll, endAny];
