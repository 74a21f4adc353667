import { Readable } from 'node:stream';
import type { z } from 'zod';
import type { AuditEntry, AuditFilter } from '../../db/queries/audit.ts';
import { toHexId } from '../../domain/ids.ts';
import { acceptsExactly } from '../http/accept.ts';
import { sendBody } from '../http/send-body.ts';
import { type ApiRequest, defineRoute, type Route } from '../route.ts';
import { eachEntry, readAudit, readFilter } from './operations.ts';
import { type auditBody, auditInput, auditPageBody } from './schemas.ts';

const ndjson = 'application/x-ndjson';

function toBody(entry: AuditEntry): z.infer<typeof auditBody> {
  const { id, at, actorId, actorEmail, action, folderId, subject, requestId, details } = entry;
  return {
    id,
    at: at.toISOString(),
    actor: actorId,
    actor_email: actorEmail,
    action,
    folder: folderId === null ? null : toHexId(folderId),
    subject,
    request_id: requestId,
    details,
  };
}

async function sendAll(request: ApiRequest<object>, filter: AuditFilter): Promise<'sent'> {
  const { services, outgoing, signal } = request;
  async function* lines(): AsyncGenerator<Buffer> {
    for await (const entries of eachEntry(services, filter, signal)) {
      yield Buffer.from(entries.map((entry) => `${JSON.stringify(toBody(entry))}\n`).join(''));
    }
  }
  outgoing.writeHead(200, { 'Content-Type': ndjson, 'Cache-Control': 'private, no-store' });
  await sendBody({ source: Readable.from(lines()), outgoing, signal });
  return 'sent';
}

/** The audit log, for administrators. */
export const auditRoutes: readonly Route[] = [
  defineRoute({
    method: 'GET',
    path: '/admin/audit',
    access: 'admin',
    right: null,
    body: 'json',
    input: auditInput,
    answers: { 200: { json: auditPageBody, media: [ndjson] } },
    doc: {
      tag: 'Administration',
      id: 'listAudit',
      summary: 'See who changed what, newest first; all of it as NDJSON',
      refusals: ['not_found'],
    },
    handle: async (request) => {
      const { services, input, headers } = request;
      const { cursor, limit, actor, action, folder, subject, since, until } = input;
      const wanted = { actor, action, folder, subject, since, until };
      if (acceptsExactly(headers.accept, ndjson)) return sendAll(request, await readFilter(services, wanted));
      const { entries, nextCursor } = await readAudit(services, { ...wanted, cursor, limit });
      return { status: 200, body: { items: entries.map(toBody), next_cursor: nextCursor } };
    },
  }),
];
