import { formatEntryPath, parseNamedEntryPath } from '../../domain/entry-path.ts';
import { domainError } from '../../domain/errors.ts';
import { requireWritable, type WriteCondition } from '../../domain/write-condition.ts';
import type { JobView } from '../../jobs/job-client.ts';
import type { Volume } from '../../storage/volume.ts';
import { readWriteCondition } from '../http/preconditions.ts';
import type { Services } from '../services.ts';
import { promisedDigests, requireDigests } from '../uploads/digest.ts';
import { type IncomingUpload, receiveUpload, type UploadForm } from '../uploads/operations.ts';
import { readWholeFile } from '../uploads/raw-body.ts';
import { writeResult } from './schemas.ts';

/** One file as it arrives: the whole body is its content. */
export interface IncomingContent extends Omit<IncomingUpload, 'form'> {
  readonly path: string;
  readonly ifExists: WriteCondition['ifExists'];
}

/** What one file that comes as a body is put where, and when. */
export type ContentToPut = Pick<IncomingContent, 'path' | 'ifExists' | 'incoming'>;

/**
 * A body that is one file as a whole. The conditions are looked at before it is asked for.
 * @throws path_invalid, request_malformed (a part of a file, a bad digest)
 */
export function contentForm(content: ContentToPut): UploadForm {
  const { incoming } = content;
  // RFC 9110 §14.4: a partial PUT must not be taken for a whole one.
  if (incoming.headers['content-range'] !== undefined) {
    throw domainError('request_malformed', 'A file is put as a whole; Content-Range is not honoured.');
  }
  const path = parseNamedEntryPath(content.path, 'write');
  const condition = readWriteCondition(incoming.headers, content.ifExists);
  const digests = promisedDigests(incoming.headers);
  return {
    condition,
    open: () => readWholeFile(incoming, formatEntryPath(path)),
    leastBytes: (declaredBytes) => declaredBytes,
    check: async (volume: Volume, folderId: string) => {
      requireWritable(condition, await volume.stat(folderId, path));
    },
    verify: ([file]) => {
      if (file !== undefined) requireDigests(digests, file.sha256);
    },
  };
}

/**
 * Receives one file and hands its commit to a job, as an upload does. The conditions are looked at before the body is
 * asked for, and decide again when the file is put in place, under the claim of its path. Needs `write`.
 * @returns the id of the `upload.commit` job
 * @throws as receiveUpload; precondition_failed, digest_mismatch, request_malformed (a part of a file, a bad digest)
 */
export async function putContent(services: Services, content: IncomingContent): Promise<string> {
  return receiveUpload(services, { ...content, form: contentForm(content) });
}

/** The file that a finished `upload.commit` of a body put in place. @throws entry_conflict when it did not */
export function writtenFile(job: JobView) {
  const { files, failed, etag, replaced } = writeResult.parse(job.result);
  const [file] = files;
  if (file === undefined || failed.length > 0) {
    throw domainError('entry_conflict', 'Something else has that path and cannot be replaced.');
  }
  return { ...file, etag: etag ?? null, replaced };
}
