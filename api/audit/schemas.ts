import { z } from 'zod';
import { auditActions } from '../../domain/audit.ts';
import { pageLimit, plainText, userReference } from '../admin/schemas.ts';
import { hexId, instant, uuid } from '../http/wire.ts';

/** Years that Postgres and ISO 8601 write alike. */
const earliestMs = Date.UTC(1970, 0);
const latestMs = Date.UTC(9999, 0);

const moment = z.iso
  .datetime({ offset: true })
  .refine((text) => {
    const ms = Date.parse(text);
    return ms >= earliestMs && ms < latestMs;
  }, 'A time from 1970 to 9998.')
  .transform((text) => new Date(text));

const subjectCharactersMax = 256;

/** `GET /admin/audit`: newest first; `cursor` is the id of the last entry of the page before. */
export const auditInput = z.object({
  actor: userReference.optional(),
  action: z.enum(auditActions).optional(),
  folder: z.string().optional(),
  subject: plainText(subjectCharactersMax).optional(),
  since: moment.optional(),
  until: moment.optional(),
  cursor: z.string().optional(),
  limit: pageLimit,
});

/** An entry of the audit log. */
export const auditBody = z
  .object({
    id: uuid,
    at: instant,
    actor: uuid,
    actor_email: z.string().nullable(),
    action: z.enum(auditActions),
    folder: hexId.nullable(),
    subject: z.string().nullable(),
    request_id: z.string().nullable(),
    details: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'AuditEntry' });

/** Reply of `GET /admin/audit`. */
export const auditPageBody = z.object({ items: z.array(auditBody), next_cursor: uuid.nullable() });
