import { formatEntryPath, parseNamedEntryPath } from '../../domain/entry-path.ts';
import { domainError } from '../../domain/errors.ts';
import { requireWritable, type WriteCondition } from '../../domain/write-condition.ts';
import type { Volume } from '../../storage/volume.ts';
import { readWriteCondition } from '../http/preconditions.ts';
import type { Services } from '../services.ts';
import { promisedDigests, requireDigests } from '../uploads/digest.ts';
import { type IncomingUpload, receiveUpload, type UploadForm } from '../uploads/operations.ts';
import { readWholeFile } from '../uploads/raw-body.ts';

/** One file as it arrives: the whole body is its content. */
export interface IncomingContent extends Omit<IncomingUpload, 'form'> {
  readonly path: string;
  readonly ifExists: WriteCondition['ifExists'];
}

function formOf(content: IncomingContent): UploadForm {
  const { incoming } = content;
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
  // RFC 9110 §14.4: a partial PUT must not be taken for a whole one.
  if (content.incoming.headers['content-range'] !== undefined) {
    throw domainError('request_malformed', 'A file is put as a whole; Content-Range is not honoured.');
  }
  return receiveUpload(services, { ...content, form: formOf(content) });
}
