import { z } from 'zod';
import { defineRoute, type Route } from '../route.ts';
import { type Hosts, listHosts } from './operations.ts';

const noInput = z.object({});

/** What a host can do besides keeping files, in the words of published clients. */
const capabilities = ['vfolder'] as const;

function presentHosts({ defaultHost, hosts }: Hosts) {
  const details = hosts.map(({ name, usedPercent }) => [
    name,
    {
      backend: 'vfs',
      capabilities,
      usage: usedPercent === null ? null : { percentage: usedPercent },
      sftp_scaling_groups: [],
    },
  ]);
  return {
    default: defaultHost,
    allowed: hosts.map(({ name }) => name),
    volume_info: Object.fromEntries(details),
  };
}

/** Everybody may use every host, so both lists are the same. */
function listAt(path: string, access: 'user' | 'admin'): Route {
  return defineRoute({
    method: 'GET',
    path,
    access,
    right: null,
    body: 'json',
    input: noInput,
    handle: async ({ services }) => ({ status: 200, body: presentHosts(await listHosts(services)) }),
  });
}

const listTypes = defineRoute({
  method: 'GET',
  path: '/folders/_/allowed-types',
  access: 'user',
  right: null,
  body: 'json',
  input: noInput,
  handle: async () => ({ status: 200, body: ['user'] }),
});

/** Where folders can be made, and whose they can be. */
export const hostRoutes: readonly Route[] = [
  listAt('/folders/_/hosts', 'user'),
  listAt('/folders/_/all-hosts', 'admin'),
  listTypes,
];
