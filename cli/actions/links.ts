import type { Link } from '../../client/models.ts';
import { formatPlace, parseFolder, parsePlace } from '../address.ts';
import { eachItem } from '../each-item.ts';
import { usageError } from '../exit-codes.ts';
import type { Action, Invocation } from '../invocation.ts';
import { printList, printOne } from '../output.ts';
import { askFor, readSecretFromInput } from '../questions.ts';
import { openSession } from '../session.ts';
import { parseDuration, parseWhole } from '../sizes.ts';

const usesMax = 1_000_000;

/** The password of a new link, which no option takes: other users of a machine see the arguments of a command. */
async function passwordFor(invocation: Invocation): Promise<string | undefined> {
  const [isAsked, isGiven] = [invocation.flag('password'), invocation.flag('passwordStdin')];
  if (isAsked && isGiven) throw usageError('Use --password or --password-stdin, not both.');
  if (isGiven) return await readSecretFromInput(invocation.terminal);
  if (!isAsked) return undefined;
  const otherwise = 'Give the password of the link on standard input, with --password-stdin.';
  return await askFor(invocation.terminal, 'Password of the link: ', { isSecret: true, otherwise });
}

/** Makes a link; its address is shown this once. */
export const createLink: Action = async (invocation) => {
  const place = parsePlace(invocation.arg(0));
  const expiresInSeconds = parseDuration(invocation.text('expires') ?? '7d');
  const max = invocation.text('max');
  const { client } = await openSession(invocation);
  const made = await client.links.create({
    ...place,
    kind: invocation.flag('upload') ? 'upload' : 'download',
    expiresInSeconds,
    usesMax: max === undefined ? undefined : parseWhole(max, 'max', [1, usesMax]),
    password: await passwordFor(invocation),
  });
  await printOne(invocation.terminal, invocation.form(), made, {
    name: made.url,
    fields: [
      ['url', made.url],
      ['id', made.id],
      ['kind', made.kind],
      ['to', placeOf(made)],
      ['expires', made.expires_at],
      ['password', made.has_password ? 'yes' : 'no'],
      ['uses', usesOf(made)],
    ],
  });
};

function placeOf({ folder, folder_name: name, path }: Link): string {
  return formatPlace({ folder: name ?? folder, path });
}

function usesOf({ uses, max_uses: max }: Link): string {
  return max === null ? String(uses) : `${uses} of ${max}`;
}

async function printLinks(invocation: Invocation, links: readonly Link[]): Promise<void> {
  await printList(invocation.terminal, invocation.form(), links, {
    columns: [
      { title: 'ID', cell: (link) => link.id },
      { title: 'KIND', cell: (link) => link.kind },
      { title: 'STATE', cell: (link) => link.state },
      { title: 'USES', cell: usesOf },
      { title: 'EXPIRES', cell: (link) => link.expires_at },
      { title: 'BY', cell: (link) => link.made_by },
      { title: 'TO', cell: placeOf },
    ],
    name: (link) => link.id,
  });
}

/** Lists links, of one folder where it is named. */
export const listLinks: Action = async (invocation) => {
  const [folder] = invocation.args;
  const { client } = await openSession(invocation);
  await printLinks(
    invocation,
    await client.links.list(folder === undefined ? undefined : parseFolder(folder)),
  );
};

/** Lists the links of everybody. */
export const listAllLinks: Action = async (invocation) => {
  const filter = { user: invocation.text('user'), folder: invocation.text('folder') };
  const { client } = await openSession(invocation);
  await printLinks(invocation, await client.admin.links.list(filter));
};

/** Revokes links. */
export const revokeLinks: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  await eachItem(invocation, invocation.args, { act: client.links.revoke });
};

/** Revokes links of anybody. */
export const revokeAnyLinks: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  await eachItem(invocation, invocation.args, { act: client.admin.links.revoke });
};
