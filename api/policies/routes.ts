import type { z } from 'zod';
import type { Policy, PolicyLimits } from '../../db/queries/policies.ts';
import { noInput } from '../http/schema.ts';
import { operatorOf } from '../operator.ts';
import { defineRoute, type Route } from '../route.ts';
import { changePolicy, createPolicy, readPolicies, removePolicy } from './operations.ts';
import { newPolicyInput, policyBody, policyChangeInput, policyListBody } from './schemas.ts';

const common = { access: 'admin', right: null, body: 'json' } as const;

function toBody({
  name,
  foldersMax,
  folderBytesMax,
  folderFilesMax,
  requestsMax,
  volumes,
  users,
}: Policy): z.infer<typeof policyBody> {
  return {
    name,
    folders: foldersMax,
    folder_bytes: folderBytesMax,
    folder_files: folderFilesMax,
    requests: requestsMax,
    volumes: volumes === null ? null : [...volumes],
    users,
  };
}

function toLimits(input: z.infer<typeof policyChangeInput>): PolicyLimits {
  return {
    foldersMax: input.folders,
    folderBytesMax: input.folder_bytes,
    folderFilesMax: input.folder_files,
    requestsMax: input.requests,
    volumes: input.volumes,
  };
}

/** Routes about policies, for administrators. */
export const policyRoutes: readonly Route[] = [
  defineRoute({
    ...common,
    method: 'GET',
    path: '/admin/policies',
    input: noInput,
    answers: { 200: policyListBody },
    doc: { tag: 'Administration', id: 'listPolicies', summary: 'List the policies' },
    handle: async ({ services }) => ({
      status: 200,
      body: { items: (await readPolicies(services)).map(toBody) },
    }),
  }),
  defineRoute({
    ...common,
    method: 'POST',
    path: '/admin/policies',
    input: newPolicyInput,
    answers: { 201: policyBody },
    doc: {
      tag: 'Administration',
      id: 'createPolicy',
      summary: 'Make a policy',
      refusals: ['policy_taken'],
    },
    handle: async (call) => {
      const { services, input } = call;
      const request = { operator: operatorOf(call), name: input.name, ...toLimits(input) };
      const policy = await createPolicy(services, request);
      return { status: 201, body: toBody(policy) };
    },
  }),
  defineRoute({
    ...common,
    method: 'PATCH',
    path: '/admin/policies/:policy',
    input: policyChangeInput,
    answers: { 200: policyBody },
    doc: {
      tag: 'Administration',
      id: 'changePolicy',
      summary: 'Change limits of a policy',
      refusals: ['not_found'],
    },
    handle: async (call) => {
      const { services, params, input } = call;
      const named = { operator: operatorOf(call), name: params.policy ?? '' };
      const policy = await changePolicy(services, { ...named, limits: toLimits(input) });
      return { status: 200, body: toBody(policy) };
    },
  }),
  defineRoute({
    ...common,
    method: 'DELETE',
    path: '/admin/policies/:policy',
    input: noInput,
    answers: { 204: null },
    doc: {
      tag: 'Administration',
      id: 'deletePolicy',
      summary: 'Remove a policy that nobody has',
      refusals: ['not_found', 'policy_in_use'],
    },
    handle: async (call) => {
      const { services, params } = call;
      await removePolicy(services, { operator: operatorOf(call), name: params.policy ?? '' });
      return { status: 204 };
    },
  }),
];
