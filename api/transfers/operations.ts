import { createHash, randomBytes } from 'node:crypto';
import { findMemberFolder } from '../../db/queries/members.ts';
import { type ResumableUpload, resumableLifeSeconds } from '../../db/queries/resumable-uploads.ts';
import {
  findTransferToken,
  findTransferTokenRelief,
  insertTransferToken,
  type TransferToken,
  type TransferVerb,
} from '../../db/queries/transfer-tokens.ts';
import { formatEntryPath, parseEntryPath } from '../../domain/entry-path.ts';
import { type DomainError, domainError } from '../../domain/errors.ts';
import { keptBytes, transferTokenBytesMax, transferTokensMax } from '../../domain/transfer-limits.ts';
import type { OpenFile } from '../../storage/volume.ts';
import { folderVolume, loadFolder } from '../authorize.ts';
import { type Selection, selectIn } from '../downloads/operations.ts';
import type { Services } from '../services.ts';
import type { UploadAccess } from '../tus/answers.ts';
import { createUpload, terminateUpload } from '../tus/operations.ts';

/** Long enough to come back to a download that broke off. */
const downloadLifeSeconds = 60 * 60;
/** 256 random bits: nobody guesses one, so looking it up by its hash tells nothing by its time. */
const tokenBytes = 32;
const tokenForm = /^[\w-]{43}$/;

/** Who asks for a token, and for which folder (name or id). */
export interface TokenRequest {
  readonly userId: string;
  readonly nameOrId: string;
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** @throws transfer_token_limit_reached */
async function issue(
  services: Pick<Services, 'db'>,
  token: TransferToken,
  lifeSeconds: number,
): Promise<string> {
  const text = randomBytes(tokenBytes).toString('base64url');
  const isKept = await insertTransferToken(services.db, {
    ...token,
    tokenHash: hashOf(text),
    lifeSeconds,
    keptBytes: keptBytes(token),
    limits: { tokens: transferTokensMax, bytes: transferTokenBytesMax },
  });
  if (isKept) return text;
  const detail = `You have ${transferTokensMax} transfer tokens, or ${transferTokenBytesMax} bytes of paths in them, that have not expired.`;
  throw domainError('transfer_token_limit_reached', detail, {
    extra: { limit: transferTokensMax, limit_bytes: transferTokenBytesMax },
    retryAfterSeconds: (await findTransferTokenRelief(services.db, token.userId)) ?? 1,
  });
}

function tokenNotFound(): DomainError {
  return domainError('not_found', 'The token is unknown, has expired, or is no longer good for this.');
}

/** Clients that show the folder as "." send paths below it. */
function withoutDot(path: string): string {
  return path.replace(/^(?:\.\/+)+/, '');
}

/**
 * Begins an upload of exactly `sizeBytes` to `path` and gives out a token for its bytes.
 * @throws not_found, path_invalid, quota_exceeded, transfer_token_limit_reached, volume_unavailable
 */
export async function requestUpload(
  services: Services,
  request: TokenRequest & { readonly path: string; readonly sizeBytes: number },
): Promise<{ readonly token: string; readonly upload: ResumableUpload }> {
  const { userId, nameOrId, sizeBytes } = request;
  const upload = await createUpload(services, {
    userId,
    folder: nameOrId,
    path: withoutDot(request.path),
    metadata: '',
    shape: 'whole',
    lengthBytes: sizeBytes,
  });
  const token = {
    verb: 'upload',
    folderId: upload.folderId,
    userId,
    paths: [upload.path],
    isArchive: false,
    fileName: null,
    uploadId: upload.id,
  } as const;
  try {
    return { token: await issue(services, token, resumableLifeSeconds), upload };
  } catch (error) {
    // Nobody can send to it, so what it holds of the quota would be held for a day. What fails here the reaper does.
    await terminateUpload(services, { id: upload.id, userId }).catch(() => undefined);
    throw error;
  }
}

/**
 * Gives out a token to read entries of a folder.
 * @throws not_found, path_invalid, transfer_token_limit_reached, volume_unavailable
 */
export async function requestDownload(
  services: Services,
  request: TokenRequest & {
    readonly verb: 'download' | 'archive';
    readonly paths: readonly string[];
    readonly isArchive: boolean;
    readonly fileName: string | null;
  },
): Promise<string> {
  const { userId, nameOrId, verb, isArchive, fileName } = request;
  const folder = await loadFolder(services, { userId, nameOrId, right: 'read' });
  folderVolume(services, folder);
  const paths = request.paths.map((path) => formatEntryPath(parseEntryPath(path, 'read')));
  const token = { verb, folderId: folder.id, userId, paths, isArchive, fileName, uploadId: null };
  return issue(services, token, downloadLifeSeconds);
}

async function findToken(services: Services, token: string, verb: TransferVerb): Promise<TransferToken> {
  if (!tokenForm.test(token)) throw tokenNotFound();
  const found = await findTransferToken(services.db, { tokenHash: hashOf(token), verb });
  if (found === null) throw tokenNotFound();
  return found;
}

/** The upload a token is for, and on whose behalf; their right is checked with each use of it. @throws not_found */
export async function uploadOfToken(services: Services, token: string): Promise<UploadAccess> {
  const { uploadId, userId } = await findToken(services, token, 'upload');
  if (uploadId === null) throw tokenNotFound();
  return { id: uploadId, userId };
}

/** What a download token opens. */
export interface TokenSelection {
  readonly token: TransferToken;
  readonly selection: Selection;
}

/**
 * Looks up the entries a token was given out for; whether its user may still read them is asked now.
 * @throws not_found, entry_not_found when any is missing, entry_not_regular
 */
export async function selectByToken(
  services: Services,
  text: string,
  verb: 'download' | 'archive',
): Promise<TokenSelection> {
  const token = await findToken(services, text, verb);
  const { userId, folderId, paths, fileName } = token;
  // By id alone: a folder that its user names like an id is another one.
  const folder = await findMemberFolder(services.db, { userId, folderId, name: '', right: 'read' });
  if (folder === null) throw tokenNotFound();
  const selection = await selectIn(services, { folder, userId, accessKey: null, files: paths });
  return { token, selection: { ...selection, ...(fileName === null ? {} : { saveAs: fileName }) } };
}

/** Opens the one file of a selection. @throws entry_not_regular */
export async function openOnlyFile({ selection }: TokenSelection): Promise<OpenFile> {
  const [entry] = selection.entries;
  if (entry?.stat.kind !== 'file') {
    throw domainError('entry_not_regular', 'This is a directory; ask for it with "archive=true".');
  }
  return selection.volume.open(selection.folder.id, entry.path);
}
