import type { IncomingMessage } from 'node:http';
import type { z } from 'zod';
import { isLinkGood } from '../../db/queries/links.ts';
import { isRefusedWhole } from '../../db/queries/upload-commits.ts';
import { DomainError, domainError, type ErrorCode, isDomainError } from '../../domain/errors.ts';
import type { JobView } from '../../jobs/job-client.ts';
import { contentForm, writtenFile } from '../contents/operations.ts';
import { failBody } from '../http/body-failure.ts';
import { replyAfterJob } from '../http/job-reply.ts';
import { watchAccess } from '../http/watch-access.ts';
import type { Answered } from '../openapi/answers.ts';
import type { ApiRequest } from '../route.ts';
import { committedFiles } from '../uploads/commit-result.ts';
import { type FilePart, leastContentBytes, multipartBoundary, readFileParts } from '../uploads/multipart.ts';
import { receiveInto, type UploadForm } from '../uploads/operations.ts';
import { commitResult } from '../uploads/schemas.ts';
import type { LinkBounds } from './bounds.ts';
import type { linkUploadInput } from './schemas.ts';
import { countUpload, linkNotFound, type OpenLink, openLink } from './use-link.ts';

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

function formBelow(opened: OpenLink, incoming: IncomingMessage): UploadForm {
  return {
    condition: { ifExists: 'rename' },
    leastBytes: leastContentBytes,
    open: () =>
      partsBelow(opened, readFileParts(incoming, multipartBoundary(incoming.headers['content-type']))),
  };
}

/** Refused where there is none would tell, for nothing, which names there are. @throws request_malformed */
function requireUnconditional({ headers }: FillRequest): void {
  const given = ['if-match', 'if-none-match', 'if-unmodified-since'].find((name) => name in headers);
  if (given !== undefined)
    throw domainError('request_malformed', `An upload by a link takes no condition such as ${given}.`);
}

/**
 * Watches whether a link is good while a body comes by it: as soon as it is not, the body is broken off. `verify` asks once more, and
 * refuses what was staged if it is not. @throws not_found
 */
function watchLink({ services, signal, incoming }: FillRequest, { link }: OpenLink) {
  const isGood = () => isLinkGood(services.db, link.id);
  const access = watchAccess(isGood, signal);
  const stop = () => {
    if (!signal.aborted) failBody(incoming, linkNotFound());
  };
  access.signal.addEventListener('abort', stop, { once: true });
  return {
    verify: async (): Promise<void> => {
      if (!(await isGood())) throw linkNotFound();
    },
    end: (): void => {
      access.end();
      access.signal.removeEventListener('abort', stop);
    },
  };
}

/** What is taken by a link, and what to answer once it is in place. */
interface Filling<Body> {
  readonly form: UploadForm;
  readonly onDone: (job: JobView) => Answered<201, Body>;
}

/** Takes what is sent into staging, for as long as the link is good. A failure gives the use back unless files may come of it nevertheless. @returns the job */
async function stage(
  request: FillRequest,
  opened: OpenLink,
  { form, uncount }: { readonly form: UploadForm; readonly uncount: () => Promise<void> },
): Promise<string> {
  const { services, incoming, acceptBody, verifyBody } = request;
  const { link, folder } = opened;
  const watch = watchLink(request, opened);
  const verify: UploadForm['verify'] = async (files) => {
    await form.verify?.(files);
    await watch.verify();
  };
  let isInDoubt = false;
  try {
    return await receiveInto(services, folder, {
      form: { ...form, verify },
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
  } finally {
    watch.end();
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
async function fill<Body>(
  request: FillRequest,
  bounds: LinkBounds,
  opened: OpenLink,
  { form, onDone }: Filling<Body>,
) {
  requireUnconditional(request);
  const giveBack = await countUpload(request, bounds, opened);
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
export async function fillByForm(request: FillRequest, bounds: LinkBounds) {
  const opened = await openLink(request, bounds, 'upload');
  return await fill(request, bounds, opened, {
    form: formBelow(opened, request.incoming),
    onDone: (job) => {
      const files = committedFiles(job).map((file) => ({ ...file, path: seenFrom(opened, file.path) }));
      return { status: 201, body: { files } };
    },
  });
}

/** Takes a body as one file below what a link leads to; otherwise as {@link fillByForm}. */
export async function fillByBody(request: FillRequest, bounds: LinkBounds) {
  const opened = await openLink(request, bounds, 'upload');
  const { incoming, params } = request;
  const path = below(opened, params.path ?? '');
  // What is there is looked at when the file is put in place: a look before its bytes are sent would tell of it for nothing.
  const { check: _look, ...form } = contentForm({ path, ifExists: 'rename', incoming });
  return await fill(request, bounds, opened, {
    form,
    onDone: (job) => {
      const { replaced: _none, ...file } = writtenFile(job);
      return { status: 201, body: { ...file, path: seenFrom(opened, file.path) } };
    },
  });
}
