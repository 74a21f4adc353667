import type { Action, Invocation } from '../invocation.ts';
import { parseMoment } from '../moment.ts';
import { printList } from '../output.ts';
import { openSession } from '../session.ts';
import { parseWhole } from '../sizes.ts';

const entriesMax = 1_000_000;

function momentOf(invocation: Invocation, option: string): string | undefined {
  const text = invocation.text(option);
  return text === undefined ? undefined : parseMoment(text, option);
}

/** Shows who changed what. */
export const showAudit: Action = async (invocation) => {
  const filter = {
    actor: invocation.text('actor'),
    action: invocation.text('action'),
    folder: invocation.text('folder'),
    subject: invocation.text('subject'),
    since: momentOf(invocation, 'since'),
    until: momentOf(invocation, 'until'),
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
