import { z } from 'zod';
import { jobStates } from '../domain/job.ts';

// Replies may gain members at any time, so every object is loose and keeps what it does not know.

/** One item of `GET /folders`. */
export const folderModel = z.looseObject({
  name: z.string(),
  id: z.string(),
  host: z.string(),
  is_owner: z.boolean(),
  permission: z.string(),
  created_at: z.string(),
});
/** A folder. */
export type Folder = z.infer<typeof folderModel>;

/** `item` of `GET /folders/:name`. */
export const folderDetailsModel = folderModel.extend({
  numFiles: z.number(),
  used_bytes: z.number(),
  quota_bytes: z.number(),
  quota_files: z.number(),
  usage_as_of: z.string(),
});
/** A folder with its numbers. */
export type FolderDetails = z.infer<typeof folderDetailsModel>;

/** One item of `GET /folders/:name/files`. */
export const entryModel = z.looseObject({
  name: z.string(),
  type: z.string(),
  size: z.number(),
  mode: z.string(),
  modified: z.string(),
  is_addressable: z.boolean().default(true),
});
/** An entry of a directory. */
export type Entry = z.infer<typeof entryModel>;

/** One line of a recursive listing; `reason` says why an entry cannot be used. */
export const walkedModel = z.looseObject({
  path: z.string(),
  type: z.string(),
  size: z.number().default(0),
  mode: z.string().default(''),
  modified: z.string().default(''),
  reason: z.string().optional(),
  crc32: z.string().nullable().default(null),
});
/** An entry of a recursive listing; `path` is from the root of its folder. */
export type Walked = z.infer<typeof walkedModel>;

const amount = z.looseObject({ bytes: z.number(), files: z.number() });

/** `GET /folders/:name/usage`. */
export const usageModel = z.looseObject({
  /** Left out by services of earlier versions. */
  directories: z.object({ held: z.number(), limit: z.number() }).optional(),
  live: amount,
  reserved: amount,
  trash: amount,
  limit: amount,
  as_of: z.string(),
});
/** Usage of a folder. */
export type FolderUsage = z.infer<typeof usageModel>;

/** A job. */
export const jobModel = z.looseObject({
  id: z.string(),
  kind: z.string(),
  state: z.enum(jobStates),
  progress: z
    .looseObject({
      entries: z.number(),
      bytes: z.number(),
      of: z.looseObject({ entries: z.number(), bytes: z.number() }).nullable(),
    })
    .nullable(),
  result: z.unknown(),
  error: z.looseObject({ code: z.string(), detail: z.string().nullable() }).nullable(),
  created_at: z.string(),
  started_at: z.string().nullable(),
  finished_at: z.string().nullable(),
});
/** A piece of background work. */
export type Job = z.infer<typeof jobModel>;

/** One item of `GET /folders/invitations/list`. */
export const invitationModel = z.looseObject({
  id: z.string(),
  inviter: z.string().nullable(),
  permission: z.string(),
  vfolder_name: z.string(),
  created_at: z.string(),
});
/** An offered membership. */
export type Invitation = z.infer<typeof invitationModel>;

/** One item of `GET /folders/:name/members`. */
export const memberModel = z.looseObject({
  user: z.string(),
  email: z.string(),
  permission: z.string(),
  is_owner: z.boolean(),
});
/** A user with a permission on a folder. */
export type Member = z.infer<typeof memberModel>;

/** One item of `GET /trash`. */
export const trashedModel = z.looseObject({
  id: z.string(),
  name: z.string(),
  numFiles: z.number(),
  used_bytes: z.number(),
  deleted_at: z.string(),
  expires_at: z.string(),
});
/** A deleted folder that can be had back. */
export type Trashed = z.infer<typeof trashedModel>;

const mountModel = z.looseObject({
  folder: z.string(),
  name: z.string(),
  alias: z.string(),
  host: z.string(),
  source: z.string().nullable(),
  target: z.string(),
  read_only: z.boolean(),
  state: z.string(),
});
/** One item of `GET /mounts`. */
export const mountSessionModel = z.looseObject({
  id: z.string(),
  session: z.string(),
  created_at: z.string(),
  expires_at: z.string(),
  lease_seconds: z.number(),
  mounts: z.array(mountModel),
});
/** A compute session with what it has mounted. */
export type MountSession = z.infer<typeof mountSessionModel>;

/** One item of `GET /admin/mounts`. */
export const ownedSessionModel = mountSessionModel.extend({ user: z.string(), user_email: z.string() });

/** One item of `GET /tokens`; with `token` when it was just made. */
export const tokenModel = z.looseObject({
  id: z.string(),
  name: z.string(),
  scopes: z.array(z.string()),
  created_at: z.string(),
  expires_at: z.string(),
});
/** An API token. */
export type Token = z.infer<typeof tokenModel>;

/** One item of `GET /links`; `state` is `active`, `expired`, `used_up` or `blocked`. */
export const linkModel = z.looseObject({
  id: z.string(),
  kind: z.string(),
  folder: z.string(),
  folder_name: z.string().nullable(),
  path: z.string(),
  state: z.string(),
  made_by: z.string(),
  has_password: z.boolean(),
  max_uses: z.number().nullable(),
  uses: z.number(),
  expires_at: z.string(),
});
/** A link to a part of a folder. */
export type Link = z.infer<typeof linkModel>;

/** Reply of `POST /admin/users`. */
export const newUserModel = z.looseObject({ id: z.string(), email: z.string() });

/** One item of `GET /admin/users`. */
export const userModel = newUserModel.extend({
  role: z.string(),
  is_active: z.boolean(),
  policy: z.string(),
  created_at: z.string(),
});
/** A user. */
export type User = z.infer<typeof userModel>;

/** Reply of `GET /admin/users/:id`. */
export const userDetailsModel = userModel.extend({
  folders: z.number(),
  used_bytes: z.number(),
  used_files: z.number(),
  keypairs: z.number(),
  tokens: z.number(),
});
/** A user with what they have. */
export type UserDetails = z.infer<typeof userDetailsModel>;

/** One item of `GET /admin/keypairs`. */
export const keypairModel = z.looseObject({
  access_key: z.string(),
  user: z.string(),
  email: z.string(),
  is_active: z.boolean(),
  created_at: z.string(),
});
/** A keypair without its secret. */
export type Keypair = z.infer<typeof keypairModel>;

/** A keypair at the only moment its secret is shown. */
export const issuedKeypairModel = z.looseObject({ access_key: z.string(), secret_key: z.string() });
/** A keypair with its secret. */
export type IssuedKeypair = z.infer<typeof issuedKeypairModel>;

/** One item of `GET /admin/policies`. */
export const policyModel = z.looseObject({
  name: z.string(),
  folders: z.number(),
  folder_bytes: z.number(),
  folder_files: z.number(),
  requests: z.number().nullable(),
  volumes: z.array(z.string()).nullable(),
  users: z.number(),
});
/** Limits that users share. */
export type Policy = z.infer<typeof policyModel>;

/** One item of `GET /admin/folders`. */
export const adminFolderModel = z.looseObject({
  id: z.string(),
  name: z.string(),
  owner_email: z.string(),
  state: z.string(),
  quota_bytes: z.number(),
  quota_files: z.number(),
  used_bytes: z.number(),
  used_files: z.number(),
});
/** A folder as administrators see it. */
export type AdminFolder = z.infer<typeof adminFolderModel>;

/** One item of `GET /admin/audit`. */
export const auditModel = z.looseObject({
  id: z.string(),
  at: z.string(),
  actor: z.string(),
  actor_email: z.string().nullable(),
  action: z.string(),
  folder: z.string().nullable(),
  subject: z.string().nullable(),
  request_id: z.string().nullable(),
  details: z.record(z.string(), z.unknown()),
});
/** An entry of the audit log. */
export type AuditEntry = z.infer<typeof auditModel>;

/** One file of an upload, as the service has it. */
export const storedFileModel = z.looseObject({ path: z.string(), size: z.number(), sha256: z.string() });
/** A file that an upload put in place. */
export type StoredFile = z.infer<typeof storedFileModel>;

/** One item of `GET /admin/queue-settings`. */
export const queueModel = z.looseObject({
  queue: z.string(),
  is_paused: z.boolean(),
  concurrency: z.number().nullable(),
  counts: z.record(z.string(), z.number()),
  oldest_waiting_seconds: z.number().nullable(),
});
/** A queue: what is in it, and what holds for it. */
export type Queue = z.infer<typeof queueModel>;

/** One item of `GET /admin/workers`. */
export const workerModel = z.looseObject({
  id: z.string(),
  host: z.string(),
  pid: z.number(),
  version: z.string(),
  state: z.string(),
  queues: z.array(z.string()),
  volumes: z.array(z.string()),
  jobs: z.array(z.unknown()),
  last_beat_at: z.string(),
});
/** A worker process. */
export type Worker = z.infer<typeof workerModel>;

const room = z.looseObject({ total: z.number(), used: z.number(), free: z.number() });

/** One item of `GET /admin/volumes`. */
export const volumeModel = z.looseObject({
  name: z.string(),
  state: z.string(),
  changed_at: z.string().nullable(),
  bytes: room.nullable(),
  inodes: room.nullable(),
  folders: z.number(),
  running_writers: z.number(),
  workers: z.array(z.string()),
  probe: z.looseObject({
    latency_ms: z.number().nullable(),
    last_ok_at: z.string().nullable(),
    last_error_at: z.string().nullable(),
    last_error: z.string().nullable(),
  }),
});
/** A volume: what it may be used for, and how it stands. */
export type VolumeStatus = z.infer<typeof volumeModel>;
