import { z } from 'zod';
import { defineRoute, type Route } from '../route.ts';
import { type Hosts, listHosts } from './operations.ts';

const noInput = z.object({});

/** What a host can do besides keeping files, in the words of published clients. */
const capabilities = ['vfolder'] as const;

const hostsBody = z.object({
  default: z.string(),
  allowed: z.array(z.string()),
  volume_info: z.record(
    z.string(),
    z.object({
      backend: z.string(),
      capabilities: z.array(z.string()),
      usage: z.object({ percentage: z.number() }).nullable(),
      sftp_scaling_groups: z.array(z.string()),
    }),
  ),
});

function presentHosts({ defaultHost, hosts }: Hosts): z.infer<typeof hostsBody> {
  const details = hosts.map(({ name, usedPercent }) => [
    name,
    {
      backend: 'vfs',
      capabilities: [...capabilities],
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

/** For users those that their policy allows; administrators are also told of all. */
function listAt(path: string, access: 'user' | 'admin', id: string): Route {
  return defineRoute({
    method: 'GET',
    path,
    access,
    right: null,
    body: 'json',
    input: noInput,
    answers: { 200: hostsBody },
    doc: { tag: 'Clients', id, summary: 'List the volumes where folders can be made' },
    handle: async ({ services, principal }) => {
      const userId = access === 'user' ? principal.userId : undefined;
      return { status: 200, body: presentHosts(await listHosts(services, userId)) };
    },
  });
}

const listTypes = defineRoute({
  method: 'GET',
  path: '/folders/_/allowed-types',
  access: 'user',
  right: null,
  body: 'json',
  input: noInput,
  answers: { 200: z.array(z.literal('user')) },
  doc: { tag: 'Clients', id: 'listFolderTypes', summary: 'List whose folders can be' },
  handle: async () => ({ status: 200, body: ['user' as const] }),
});

/** Where folders can be made, and whose they can be. */
export const hostRoutes: readonly Route[] = [
  listAt('/folders/_/hosts', 'user', 'listHosts'),
  listAt('/folders/_/all-hosts', 'admin', 'listAllHosts'),
  listTypes,
];
