import { z } from 'zod';
import { type Http, pathOf } from './http.ts';
import { jobOf, startWork, type Work, withoutWaiting } from './jobs.ts';
import {
  type Folder,
  type FolderDetails,
  type FolderUsage,
  folderDetailsModel,
  folderModel,
  type Trashed,
  trashedModel,
  usageModel,
} from './models.ts';

const createdModel = z.looseObject({ id: z.string(), name: z.string(), host: z.string() });
const renamedModel = z.looseObject({ id: z.string(), name: z.string() });
const copiedModel = z.looseObject({
  bytes: z.number(),
  files: z.number(),
  skipped: z.array(z.looseObject({ path: z.string(), reason: z.string() })),
  skipped_count: z.number(),
});
const recountModel = z.looseObject({
  before: z.looseObject({ bytes: z.number(), files: z.number() }),
  after: z.looseObject({ bytes: z.number(), files: z.number() }),
  drift: z.looseObject({ bytes: z.number(), files: z.number() }),
});

/** Has a folder at its path counted. */
export async function recountAt(http: Http, path: string): Promise<Work<Recount>> {
  const response = await http.send('POST', `${path}/recalculate`, { headers: withoutWaiting });
  return startWork(http, response, { reply: recountModel });
}

/** What a copy of a tree came to. */
export type Copied = z.infer<typeof copiedModel>;
/** What a recount found. */
export type Recount = z.infer<typeof recountModel>;

/** A new folder. */
export interface NewFolder {
  readonly name: string;
  readonly host?: string | undefined;
  readonly cloneable?: boolean | undefined;
}

/** Folders of the caller, the shared ones included; `name` is the caller's own name of it, or its id. */
export interface FoldersApi {
  list(): Promise<Folder[]>;
  create(folder: NewFolder): Promise<z.infer<typeof createdModel>>;
  show(name: string): Promise<FolderDetails>;
  rename(name: string, newName: string): Promise<z.infer<typeof renamedModel>>;
  /** `isForced`: also while sessions have it mounted. @returns the job that frees the content, where the service names it */
  remove(name: string, options?: { readonly isForced?: boolean }): Promise<string | undefined>;
  clone(name: string, target: NewFolder): Promise<Work<Copied>>;
  usage(name: string): Promise<FolderUsage>;
  recount(name: string): Promise<Work<Recount>>;
  trash(): Promise<Trashed[]>;
  restore(id: string, name: string | undefined): Promise<z.infer<typeof renamedModel>>;
  purge(id: string): Promise<string | undefined>;
}

/** Opens the folders of the caller. */
export function openFolders(http: Http): FoldersApi {
  const remove = async (path: string, isForced = false) => {
    const query = { force: isForced ? true : undefined };
    const response = await http.send('DELETE', path, { headers: withoutWaiting, query });
    response.discard();
    return jobOf(response);
  };
  return {
    list: async () =>
      (await http.read('GET', '/folders', z.looseObject({ items: z.array(folderModel) }))).items,
    create: (folder) => http.read('POST', '/folders', createdModel, { json: folder }),
    show: async (name) =>
      (await http.read('GET', pathOf('folders', name), z.looseObject({ item: folderDetailsModel }))).item,
    rename: (name, newName) =>
      http.read('POST', `${pathOf('folders', name)}/rename`, renamedModel, { json: { new_name: newName } }),
    remove: (name, options = {}) => remove(pathOf('folders', name), options.isForced),
    clone: async (name, { name: targetName, host, cloneable }) => {
      const json = { target_name: targetName, target_host: host, cloneable };
      const headers = withoutWaiting;
      const response = await http.send('POST', `${pathOf('folders', name)}/clone`, { json, headers });
      return startWork(http, response, { reply: copiedModel });
    },
    usage: (name) => http.read('GET', `${pathOf('folders', name)}/usage`, usageModel),
    recount: (name) => recountAt(http, pathOf('folders', name)),
    trash: async () =>
      (await http.read('GET', '/trash', z.looseObject({ items: z.array(trashedModel) }))).items,
    restore: (id, name) =>
      http.read('POST', `${pathOf('trash', id)}/restore`, renamedModel, { json: { name } }),
    purge: (id) => remove(pathOf('trash', id)),
  };
}
