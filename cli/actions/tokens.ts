import { eachItem } from '../each-item.ts';
import { usageError } from '../exit-codes.ts';
import type { Action } from '../invocation.ts';
import { printList, printOne } from '../output.ts';
import { openSession } from '../session.ts';
import { parseDuration } from '../sizes.ts';

const scopesOf: Readonly<Record<string, readonly string[]>> = { read: ['read'], write: ['read', 'write'] };

/** Makes a token; this once it is shown. */
export const createToken: Action = async (invocation) => {
  const scopes = scopesOf[invocation.text('scope') ?? 'write'];
  if (scopes === undefined) throw usageError('--scope must be read or write.');
  const expiresInSeconds = parseDuration(invocation.text('expires') ?? '90d');
  const { client } = await openSession(invocation);
  const made = await client.account.createToken({ name: invocation.args[0], scopes, expiresInSeconds });
  await printOne(invocation.terminal, invocation.form(), made, {
    name: made.token,
    fields: [
      ['token', made.token],
      ['id', made.id],
      ['scopes', made.scopes.join(', ')],
      ['expires', made.expires_at],
    ],
  });
};

/** Lists tokens. */
export const listTokens: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  await printList(invocation.terminal, invocation.form(), await client.account.tokens(), {
    columns: [
      { title: 'ID', cell: (token) => token.id },
      { title: 'SCOPES', cell: (token) => token.scopes.join(',') },
      { title: 'EXPIRES', cell: (token) => token.expires_at },
      { title: 'NAME', cell: (token) => token.name },
    ],
    name: (token) => token.id,
  });
};

/** Revokes tokens. */
export const revokeTokens: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  await eachItem(invocation, invocation.args, { act: client.account.revokeToken });
};
