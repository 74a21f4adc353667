import { randomBytes } from 'node:crypto';
import type { MountSession } from '../../client/models.ts';
import { eachItem } from '../each-item.ts';
import { CliError, exitCodes } from '../exit-codes.ts';
import type { Action, Invocation } from '../invocation.ts';
import { type Column, printList, printOne } from '../output.ts';
import { openSession } from '../session.ts';
import { parseDuration } from '../sizes.ts';
import { writeOut } from '../terminal.ts';

type Mount = MountSession['mounts'][number];

function leaseOf(invocation: Invocation): number | undefined {
  const lease = invocation.text('lease');
  return lease === undefined ? undefined : parseDuration(lease);
}

function formatMount({ name, alias, read_only: isReadOnly, state }: Mount): string {
  const seen = name === alias ? name : `${name}:${alias}`;
  return `${seen} ${isReadOnly ? 'ro' : 'rw'}${state === 'active' ? '' : ` ${state}`}`;
}

const columns: readonly Column<MountSession>[] = [
  { title: 'BEGUN', cell: (session) => session.created_at },
  { title: 'UNTIL', cell: (session) => session.expires_at },
  { title: 'FOLDERS', cell: (session) => session.mounts.map(formatMount).join(', ') },
];

/** Lists the sessions of the caller. */
export const listMounts: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  await printList(invocation.terminal, invocation.form(), await client.mounts.list(), {
    columns: [{ title: 'SESSION', cell: (session) => session.session }, ...columns],
    name: (session) => session.session,
  });
};

async function print(invocation: Invocation, session: MountSession): Promise<void> {
  await printOne(invocation.terminal, invocation.form(), session, {
    name: session.session,
    fields: [
      ['session', session.session],
      ['id', session.id],
      ['begun', session.created_at],
      ['until', session.expires_at],
      ...session.mounts.map(
        (mount) =>
          [mount.target, `${formatMount(mount)}, from ${mount.source ?? `volume ${mount.host}`}`] as const,
      ),
    ],
  });
}

/** Shows what a session has mounted. */
export const showMounts: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  await print(invocation, await client.mounts.show(invocation.arg(0)));
};

/** Mounts folders for a session. */
export const beginMounts: Action = async (invocation) => {
  const order = { leaseSeconds: leaseOf(invocation), isReadOnly: invocation.flag('readOnly') };
  const [session, ...folders] = invocation.args;
  const { client } = await openSession(invocation);
  await print(invocation, await client.mounts.begin({ ...order, session: session ?? '', folders }));
};

/** Has the lease of a session begin anew. */
export const renewMounts: Action = async (invocation) => {
  const leaseSeconds = leaseOf(invocation);
  const { client } = await openSession(invocation);
  await print(invocation, await client.mounts.renew(invocation.arg(0), leaseSeconds));
};

/** Ends the mounts of sessions. */
export const endMounts: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  await eachItem(invocation, invocation.args, { act: (session) => client.mounts.end(session) });
};

/** A field of fstab(5), where white space separates and a backslash begins an octal number. */
function fstabField(text: string): string {
  return text.replaceAll(/[\s\\#]/gu, (character) =>
    [...Buffer.from(character)].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join(''),
  );
}

function fstabLine({ source, host, read_only: isReadOnly }: Mount, dir: string): string {
  if (source === null)
    throw new CliError(exitCodes.temporary, `The service does not have volume ${host} here.`);
  const options = ['bind', 'nosuid', 'nodev', ...(isReadOnly ? ['ro'] : [])].join(',');
  return `${fstabField(source)} ${fstabField(dir)} none ${options} 0 0\n`;
}

/** Guards a folder, and prints the line that mounts it. */
export const mountFolder: Action = async (invocation) => {
  const order = { leaseSeconds: leaseOf(invocation), isReadOnly: invocation.flag('readOnly') };
  const name = invocation.text('session') ?? `mount-${randomBytes(6).toString('hex')}`;
  const { terminal } = invocation;
  const { client } = await openSession(invocation);
  const session = await client.mounts.begin({ ...order, session: name, folders: [invocation.arg(0)] });
  if (invocation.form() !== 'table') return await print(invocation, session);
  for (const mount of session.mounts) await writeOut(terminal, fstabLine(mount, invocation.arg(1)));
  if (invocation.flag('quiet')) return;
  terminal.stderr.write(
    `Guarded until ${session.expires_at} as session ${name}: "vfolder mounts renew ${name}" keeps it, "vfolder mounts end ${name}" ends it.\n`,
  );
};

/** Lists the sessions of everybody. */
export const listAllMounts: Action = async (invocation) => {
  const filter = {
    user: invocation.text('user'),
    folder: invocation.text('folder'),
    host: invocation.text('volume'),
  };
  const { client } = await openSession(invocation);
  await printList(invocation.terminal, invocation.form(), await client.admin.mounts.list(filter), {
    columns: [
      { title: 'ID', cell: (session) => session.id },
      { title: 'USER', cell: (session) => session.user_email },
      { title: 'SESSION', cell: (session) => session.session },
      ...columns,
    ],
    name: (session) => session.id,
  });
};

/** Ends sessions of anybody. */
export const endAnyMounts: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  await eachItem(invocation, invocation.args, { act: (id) => client.admin.mounts.end(id) });
};
