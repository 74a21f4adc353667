import { randomBytes } from 'node:crypto';
import { notifyJob } from '../../db/notifications.ts';
import { insertAudit } from '../../db/queries/audit.ts';
import { deleteExpiredSessions, deleteSession, insertSession } from '../../db/queries/sessions.ts';
import { changedWord, sessionTopic } from '../../jobs/notification-words.ts';
import { makeKeypairCheck } from '../auth/prove-keypair.ts';
import { isSameSecret } from '../auth/same-secret.ts';
import { hashSessionToken } from '../auth/session.ts';
import type { Services } from '../services.ts';

/** How long a browser stays signed in. */
export const sessionHours = 12;

/**
 * Signs a browser in with a keypair, for {@link sessionHours}.
 * @returns the token for its cookie
 * @throws auth_failed
 */
export async function signIn(
  services: Pick<Services, 'db' | 'secrets'>,
  request: { readonly accessKey: string; readonly secretKey: string; readonly requestId: string },
): Promise<string> {
  const { accessKey, secretKey, requestId } = request;
  const proof = { accessKey, isMadeWith: (secret: string) => isSameSecret(secret, secretKey) };
  const credential = await makeKeypairCheck(services)(proof);
  await deleteExpiredSessions(services.db);
  const token = randomBytes(32).toString('base64url');
  const session = { tokenHash: hashSessionToken(token), accessKey: credential.accessKey };
  await services.db.transaction(async (tx) => {
    await insertSession(tx, { ...session, hours: sessionHours });
    const { userId: actorId, accessKey: subject } = credential;
    await insertAudit(tx, { actorId, requestId, action: 'session.begin', subject });
  });
  return token;
}

/** Ends the session of a browser, and what streams to it, in every process; a no-op without one. */
export async function signOut(services: Pick<Services, 'db'>, token: string | undefined): Promise<void> {
  if (token === undefined) return;
  const hash = hashSessionToken(token);
  await deleteSession(services.db, hash);
  // Whoever misses the word finds out within seconds.
  await notifyJob(services.db, sessionTopic(hash), changedWord).catch(() => undefined);
}
