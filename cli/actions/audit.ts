import { usageError } from '../exit-codes.ts';
import type { Action } from '../invocation.ts';
import { printList } from '../output.ts';
import { openSession } from '../session.ts';
import { parseDuration, parseWhole } from '../sizes.ts';

const entriesMax = 1_000_000;

/** A moment in ISO 8601, or so long ago: `7d`. */
function momentOf(text: string | undefined, option: string): string | undefined {
  if (text === undefined) return undefined;
  if (/^\d+[smhdw]$/.test(text)) return new Date(Date.now() - parseDuration(text) * 1_000).toISOString();
  const moment = new Date(text);
  if (!Number.isNaN(moment.getTime())) return moment.toISOString();
  throw usageError(`--${option} must be a time such as 2030-01-31T12:00Z, or how long ago: 7d.`);
}

/** Shows who changed what. */
export const showAudit: Action = async (invocation) => {
  const filter = {
    actor: invocation.text('actor'),
    action: invocation.text('action'),
    folder: invocation.text('folder'),
    subject: invocation.text('subject'),
    since: momentOf(invocation.text('since'), 'since'),
    until: momentOf(invocation.text('until'), 'until'),
  };
  const limit = invocation.text('limit');
  const most = limit === undefined ? entriesMax : parseWhole(limit, 'limit', [1, entriesMax]);
  const { client } = await openSession(invocation);
  await printList(invocation.terminal, invocation.form(), await client.admin.audit(filter, most), {
    columns: [
      { title: 'TIME', cell: (entry) => entry.at },
      { title: 'WHO', cell: (entry) => entry.actor_email ?? entry.actor },
      { title: 'ACTION', cell: (entry) => entry.action },
      { title: 'FOLDER', cell: (entry) => entry.folder ?? '' },
      { title: 'SUBJECT', cell: (entry) => entry.subject ?? '' },
      { title: 'DETAILS', cell: (entry) => JSON.stringify(entry.details) },
    ],
    name: (entry) => entry.id,
  });
};
