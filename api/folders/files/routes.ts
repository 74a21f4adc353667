import { madeDirectories, wholeListing } from '../../profiles/files.ts';
import { defineRoute, type Route } from '../../route.ts';
import { listFiles, makeDirectories, makeDirectory, statEntry } from './operations.ts';
import {
  listFilesInput,
  listingBody,
  madeBody,
  makeDirectoryInput,
  presentListing,
  presentStat,
  statBody,
  statInput,
} from './schemas.ts';
import { sendTree } from './send-tree.ts';

const list = defineRoute({
  method: 'GET',
  path: '/folders/:name/files',
  access: 'user',
  right: 'read',
  body: 'json',
  input: listFilesInput,
  answers: { 200: { json: listingBody, media: ['application/x-ndjson'] } },
  doc: {
    tag: 'Files',
    id: 'listFiles',
    summary: 'List a directory, or everything below it as NDJSON',
    refusals: ['path_invalid', 'entry_not_found', 'volume_unavailable'],
  },
  handle: async (call) => {
    const { services, principal, params, input } = call;
    const request = { userId: principal.userId, nameOrId: params.name ?? '', ...input };
    if (input.recursive && call.profile.name === 'documented') {
      return sendTree(services, call, { ...request, accessKey: principal.accessKey });
    }
    return { status: 200, body: presentListing(await listFiles(services, request)) };
  },
  client: wholeListing,
});

const stat = defineRoute({
  method: 'GET',
  path: '/folders/:name/stat',
  access: 'user',
  right: 'read',
  body: 'json',
  input: statInput,
  answers: { 200: statBody },
  doc: {
    tag: 'Files',
    id: 'statEntry',
    summary: 'See one entry of any kind',
    refusals: ['path_invalid', 'entry_not_found', 'volume_unavailable'],
  },
  handle: async ({ services, principal, params, input }) => {
    const request = { userId: principal.userId, nameOrId: params.name ?? '', path: input.path };
    return { status: 200, body: presentStat(await statEntry(services, request)) };
  },
});

const makeDirectoryRoute = defineRoute({
  method: 'POST',
  path: '/folders/:name/mkdir',
  access: 'user',
  right: 'write',
  body: 'json',
  input: makeDirectoryInput,
  answers: { 201: madeBody },
  doc: {
    tag: 'Files',
    id: 'makeDirectories',
    summary: 'Make directories',
    refusals: [
      'path_invalid',
      'entry_not_found',
      'entry_conflict',
      'quota_exceeded',
      'volume_read_only',
      'volume_full',
      'volume_unavailable',
    ],
  },
  handle: async ({ services, principal, params, input }) => {
    const { path, parents, exist_ok: existOk } = input;
    const request = { userId: principal.userId, nameOrId: params.name ?? '', parents, existOk };
    const results =
      typeof path === 'string'
        ? await makeDirectory(services, { ...request, path })
        : await makeDirectories(services, { ...request, paths: path });
    return { status: 201, body: { results } };
  },
  client: madeDirectories,
});

/** List a directory, see one entry, and make directories. */
export const folderFileRoutes: readonly Route[] = [list, stat, makeDirectoryRoute];
