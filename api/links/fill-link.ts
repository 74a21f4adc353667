import type { IncomingMessage } from 'node:http';
import type { z } from 'zod';
import { isRefusedWhole } from '../../db/queries/upload-commits.ts';
import { DomainError, type ErrorCode, isDomainError } from '../../domain/errors.ts';
import type { WriteCondition } from '../../domain/write-condition.ts';
import type { JobView } from '../../jobs/job-client.ts';
import { contentForm, writtenFile } from '../contents/operations.ts';
import { replyAfterJob } from '../http/job-reply.ts';
import type { Answered } from '../openapi/answers.ts';
import type { ApiRequest } from '../route.ts';
import { committedFiles } from '../uploads/commit-result.ts';
import { type FilePart, leastContentBytes, multipartBoundary, readFileParts } from '../uploads/multipart.ts';
import { receiveInto, type UploadForm } from '../uploads/operations.ts';
import { commitResult } from '../uploads/schemas.ts';
import type { LinkPasswords } from './passwords.ts';
import type { linkUploadInput } from './schemas.ts';
import { countUpload, type OpenLink, openLink } from './use-link.ts';

type FillRequest = ApiRequest<z.infer<typeof linkUploadInput>>;

/** Refusals whose text is about the request itself. Others may tell of the folder what is not for those who have a link. */
const told: ReadonlySet<ErrorCode> = new Set([
  'request_malformed',
  'request_timeout',
  'path_invalid',
  'not_found',
  'media_type_unsupported',
  'body_too_large',
  'digest_mismatch',
  'precondition_failed',
  'upload_aborted',
  'upload_empty',
]);

function detailOf(error: DomainError, committed: unknown): string {
  if (typeof committed === 'number') return 'Not all of the files could be put in place.';
  return told.has(error.code) ? error.message : 'The upload cannot be taken.';
}

function withoutInside(error: DomainError): DomainError {
  const { code, retryAfterSeconds } = error;
  // Who is not told would send all of them again.
  const committed = error.extra.committed === 0 ? undefined : error.extra.committed;
  return new DomainError(code, detailOf(error, committed), {
    cause: error,
    ...(committed === undefined ? {} : { extra: { committed } }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  });
}

/** A path below what a link leads to, seen from the folder; checked as any path to write once it is whole. */
function below({ link }: OpenLink, path: string): string {
  return link.path === '' ? path : `${link.path}/${path}`;
}

function seenFrom({ link }: OpenLink, path: string): string {
  return link.path === '' ? path : path.slice(link.path.length + 1);
}

async function* partsBelow(opened: OpenLink, parts: AsyncIterable<FilePart>): AsyncGenerator<FilePart> {
  for await (const part of parts) {
    yield { ...part, fileName: below(opened, part.fileName) };
  }
}

function formBelow(
  opened: OpenLink,
  incoming: IncomingMessage,
  ifExists: WriteCondition['ifExists'],
): UploadForm {
  return {
    condition: { ifExists },
    leastBytes: leastContentBytes,
    open: () =>
      partsBelow(opened, readFileParts(incoming, multipartBoundary(incoming.headers['content-type']))),
  };
}

/** What is taken by a link, and what to answer once it is in place. */
interface Filling<Body> {
  readonly form: UploadForm;
  readonly onDone: (job: JobView) => Answered<201, Body>;
}

/** Takes what is sent into staging. A failure gives the use back unless files may come of it nevertheless. @returns the job */
async function stage(
  request: FillRequest,
  { link, folder }: OpenLink,
  { form, uncount }: { readonly form: UploadForm; readonly uncount: () => Promise<void> },
): Promise<string> {
  const { services, incoming, acceptBody, verifyBody } = request;
  let isInDoubt = false;
  try {
    return await receiveInto(services, folder, {
      form,
      userId: link.userId,
      incoming,
      acceptBody,
      verifyBody,
      isAckedEarly: false,
      onDoubt: () => {
        isInDoubt = true;
      },
    });
  } catch (error) {
    if (!isInDoubt) await uncount();
    throw error;
  }
}

/** Waits for what was staged to be put in place. A failure gives the use back if not one file was. */
async function finish<Body>(
  { services, signal }: FillRequest,
  jobId: string,
  { onDone, uncount }: Pick<Filling<Body>, 'onDone'> & { readonly uncount: () => Promise<void> },
): Promise<Answered<201, Body> | Answered<202, { readonly id: string }>> {
  // Who has a link cannot follow the job, so there is nothing to prefer and nowhere to look.
  const preference = { respondAsync: false, waitMs: undefined };
  let landed: number | undefined;
  try {
    const reply = await replyAfterJob({ services, signal, preference }, jobId, (job) => {
      landed = commitResult.parse(job.result).files.length;
      return onDone(job);
    });
    return reply.status === 202 ? { status: 202, body: reply.body } : reply;
  } catch (error) {
    const isNothing =
      landed === undefined ? await isRefusedWhole(services.db, jobId).catch(() => false) : landed === 0;
    if (isNothing) await uncount();
    throw error;
  }
}

/** Takes a body on behalf of the maker of a link, and answers once its files are in place. */
async function fill<Body>(request: FillRequest, opened: OpenLink, { form, onDone }: Filling<Body>) {
  const giveBack = await countUpload(request, opened);
  // What the request failed with matters more to the caller.
  const uncount = () => giveBack().catch(() => undefined);
  try {
    const jobId = await stage(request, opened, { form, uncount });
    return await finish(request, jobId, { onDone, uncount });
  } catch (error) {
    throw isDomainError(error) ? withoutInside(error) : error;
  }
}

/**
 * Takes the files of a form below what a link leads to. They replace nothing, and count for the folder as its maker's doing.
 * @throws not_found, link_password_required, rate_limited; as `receiveUpload` and the commit, without figures and paths
 */
export async function fillByForm(request: FillRequest, passwords: LinkPasswords) {
  const opened = await openLink(request, passwords, 'upload');
  return await fill(request, opened, {
    form: formBelow(opened, request.incoming, request.input.if_exists),
    onDone: (job) => {
      const files = committedFiles(job).map((file) => ({ ...file, path: seenFrom(opened, file.path) }));
      return { status: 201, body: { files } };
    },
  });
}

/** Takes a body as one file below what a link leads to; otherwise as {@link fillByForm}. */
export async function fillByBody(request: FillRequest, passwords: LinkPasswords) {
  const opened = await openLink(request, passwords, 'upload');
  const { incoming, params, input } = request;
  const path = below(opened, params.path ?? '');
  return await fill(request, opened, {
    form: contentForm({ path, ifExists: input.if_exists, incoming }),
    onDone: (job) => {
      const { replaced: _none, ...file } = writtenFile(job);
      return { status: 201, body: { ...file, path: seenFrom(opened, file.path) } };
    },
  });
}
