import { z } from 'zod';
import { type Recount, recountAt } from './folders.ts';
import { type Http, pathOf } from './http.ts';
import type { Work } from './jobs.ts';
import { type AdminFolder, adminFolderModel, type Policy, policyModel } from './models.ts';
import { readPages } from './pages.ts';

/** Limits of a policy; what is `undefined` is left as it is, or as usual for a new one. */
export interface PolicyLimits {
  readonly folders: number | undefined;
  readonly folder_bytes: number | undefined;
  readonly folder_files: number | undefined;
  /** Requests in any 900 s; `null`: as the service is set. */
  readonly requests?: number | null | undefined;
  /** Where folders may be made; `null`: everywhere. */
  readonly volumes?: readonly string[] | null | undefined;
}

/** What administrators do with limits. Folders are named by id. */
export interface LimitsApi {
  policies(): Promise<Policy[]>;
  createPolicy(name: string, limits: PolicyLimits): Promise<Policy>;
  changePolicy(name: string, limits: PolicyLimits): Promise<Policy>;
  removePolicy(name: string): Promise<void>;
  /** Those of one user, or all. */
  folders(user: string | undefined): Promise<AdminFolder[]>;
  folder(id: string): Promise<AdminFolder>;
  /** Has any folder counted again. */
  recount(id: string): Promise<Work<Recount>>;
  changeQuota(
    id: string,
    quota: { readonly quota_bytes: number | undefined; readonly quota_files: number | undefined },
  ): Promise<AdminFolder>;
}

/** Opens the administration of limits. */
export function openLimits(http: Http): LimitsApi {
  const policy = (name: string) => pathOf('admin', 'policies', name);
  const folder = (id: string) => pathOf('admin', 'folders', id);
  return {
    policies: async () =>
      (await http.read('GET', '/admin/policies', z.looseObject({ items: z.array(policyModel) }))).items,
    createPolicy: (name, limits) =>
      http.read('POST', '/admin/policies', policyModel, { json: { name, ...limits } }),
    changePolicy: (name, limits) => http.read('PATCH', policy(name), policyModel, { json: limits }),
    removePolicy: (name) => http.change('DELETE', policy(name)),
    folders: (user) => readPages(http, '/admin/folders', adminFolderModel, { user }),
    folder: (id) => http.read('GET', folder(id), adminFolderModel),
    recount: (id) => recountAt(http, folder(id)),
    changeQuota: (id, quota) => http.read('PATCH', folder(id), adminFolderModel, { json: quota }),
  };
}
