import { z } from 'zod';
import { type Http, pathOf } from './http.ts';
import { type MountSession, mountSessionModel, ownedSessionModel } from './models.ts';
import { readPages } from './pages.ts';

/** What a compute session is to mount: folders as `name` or `name:alias`, by name or id. */
export interface MountOrder {
  readonly session: string;
  readonly folders: readonly string[];
  readonly isReadOnly?: boolean | undefined;
  /** How long it is good without being renewed; default: as the service has it. */
  readonly leaseSeconds?: number | undefined;
}

/** What compute sessions of the caller have mounted. */
export interface MountsApi {
  list(): Promise<MountSession[]>;
  show(session: string): Promise<MountSession>;
  /** May be repeated: the same order finds the session. */
  begin(order: MountOrder): Promise<MountSession>;
  /** Has the lease begin anew; a mount that is `revoked` in the reply is to be taken down. */
  renew(session: string, leaseSeconds?: number): Promise<MountSession>;
  end(session: string): Promise<void>;
}

/** Opens the mounts of the caller. */
export function openMounts(http: Http): MountsApi {
  const list = z.looseObject({ items: z.array(mountSessionModel) });
  return {
    list: async () => (await http.read('GET', '/mounts', list)).items,
    show: (session) => http.read('GET', pathOf('mounts', session), mountSessionModel),
    begin: ({ session, folders, isReadOnly, leaseSeconds }) => {
      const json = { session, folders, read_only: isReadOnly, lease_seconds: leaseSeconds };
      return http.read('POST', '/mounts', mountSessionModel, { json, isRepeatable: true });
    },
    renew: (session, leaseSeconds) => {
      const json = { lease_seconds: leaseSeconds };
      const path = `${pathOf('mounts', session)}/heartbeat`;
      return http.read('POST', path, mountSessionModel, { json, isRepeatable: true });
    },
    end: (session) => http.change('DELETE', pathOf('mounts', session)),
  };
}

/** Which sessions; what is `undefined` is no condition. */
export interface MountFilter {
  readonly user: string | undefined;
  /** The id of a folder. */
  readonly folder: string | undefined;
  readonly host: string | undefined;
}

/** What everybody's compute sessions have mounted, for administrators. */
export interface AllMountsApi {
  list(filter: MountFilter): Promise<z.infer<typeof ownedSessionModel>[]>;
  end(id: string): Promise<void>;
}

/** Opens the mounts of everybody. */
export function openAllMounts(http: Http): AllMountsApi {
  return {
    list: (filter) => readPages(http, '/admin/mounts', ownedSessionModel, { ...filter }),
    end: (id) => http.change('DELETE', `/admin/mounts${pathOf(id)}`),
  };
}
