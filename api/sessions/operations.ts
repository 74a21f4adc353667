import { randomBytes } from 'node:crypto';
import { findCredential } from '../../db/queries/keypairs.ts';
import { deleteExpiredSessions, deleteSession, insertSession } from '../../db/queries/sessions.ts';
import { domainError } from '../../domain/errors.ts';
import { isSameSecret } from '../auth/same-secret.ts';
import { hashSessionToken } from '../auth/session.ts';
import type { Services } from '../services.ts';

/** How long a browser stays signed in. */
export const sessionHours = 12;

/**
 * Signs a browser in with a keypair, for {@link sessionHours}. An unknown access key costs the same work as a wrong secret.
 * @returns the token for its cookie
 * @throws auth_failed
 */
export async function signIn(
  services: Pick<Services, 'db' | 'secrets'>,
  keypair: { readonly accessKey: string; readonly secretKey: string },
): Promise<string> {
  const isForm = /^[\x21-\x7e]{1,128}$/.test(keypair.accessKey);
  const credential = isForm ? await findCredential(services.db, keypair.accessKey) : null;
  const decoy = services.secrets.seal(randomBytes(30).toString('base64'));
  const isProven = isSameSecret(services.secrets.open(credential?.secretSealed ?? decoy), keypair.secretKey);
  if (credential === null || !isProven || !credential.isActive) {
    throw domainError('auth_failed', 'The access key or its secret is not accepted.');
  }
  await deleteExpiredSessions(services.db);
  const token = randomBytes(32).toString('base64url');
  const session = { tokenHash: hashSessionToken(token), accessKey: credential.accessKey };
  await insertSession(services.db, { ...session, hours: sessionHours });
  return token;
}

/** Ends the session of a browser; a no-op without one. */
export async function signOut(services: Pick<Services, 'db'>, token: string | undefined): Promise<void> {
  if (token !== undefined) await deleteSession(services.db, hashSessionToken(token));
}
