import type { z } from 'zod';
import { noInput } from '../http/schema.ts';
import { operatorOf } from '../operator.ts';
import { defineRoute, type Route } from '../route.ts';
import { changeVolume, readVolume, readVolumes, type VolumeView } from './operations.ts';
import { volumeBody, volumeChangeInput, volumeListBody } from './schemas.ts';

const common = { access: 'admin', right: null, body: 'json' } as const;

function roomOf(total: number, free: number) {
  return { total, used: Math.max(0, total - free), free };
}

function toVolumeBody(view: VolumeView): z.infer<typeof volumeBody> {
  const { name, state, changedAt, probe, folders, runningWriters, workerIds } = view;
  const { capacity, latencyMs, lastOkAt, lastErrorAt, lastError } = probe;
  const hasInodes = capacity !== undefined && capacity.inodesTotal > 0;
  return {
    name,
    state,
    changed_at: changedAt?.toISOString() ?? null,
    bytes: capacity === undefined ? null : roomOf(capacity.bytesTotal, capacity.bytesFree),
    inodes: hasInodes ? roomOf(capacity.inodesTotal, capacity.inodesFree) : null,
    folders,
    running_writers: runningWriters,
    workers: [...workerIds],
    probe: {
      latency_ms: latencyMs === null ? null : Math.round(latencyMs * 100) / 100,
      last_ok_at: lastOkAt?.toISOString() ?? null,
      last_error_at: lastErrorAt?.toISOString() ?? null,
      last_error: lastError,
    },
  };
}

/** Routes about volumes, for administrators. */
export const volumeRoutes: readonly Route[] = [
  defineRoute({
    ...common,
    method: 'GET',
    path: '/admin/volumes',
    input: noInput,
    answers: { 200: volumeListBody },
    doc: { tag: 'Administration', id: 'listVolumes', summary: 'List the volumes with their state and room' },
    handle: async ({ services }) => ({
      status: 200,
      body: { items: (await readVolumes(services)).map(toVolumeBody) },
    }),
  }),
  defineRoute({
    ...common,
    method: 'GET',
    path: '/admin/volumes/:volume',
    input: noInput,
    answers: { 200: volumeBody },
    doc: { tag: 'Administration', id: 'getVolume', summary: 'See a volume', refusals: ['not_found'] },
    handle: async ({ services, params }) => ({
      status: 200,
      body: toVolumeBody(await readVolume(services, params.volume ?? '')),
    }),
  }),
  defineRoute({
    ...common,
    method: 'PATCH',
    path: '/admin/volumes/:volume',
    input: volumeChangeInput,
    answers: { 200: volumeBody },
    doc: {
      tag: 'Administration',
      id: 'changeVolume',
      summary: 'Open a volume, make it read-only, or keep new folders from it',
      refusals: ['not_found'],
    },
    handle: async (request) => {
      const { services, params, input } = request;
      const change = { operator: operatorOf(request), name: params.volume ?? '', state: input.state };
      return { status: 200, body: toVolumeBody(await changeVolume(services, change)) };
    },
  }),
];
