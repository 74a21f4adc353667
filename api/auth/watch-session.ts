import { findSession } from '../../db/queries/sessions.ts';
import { sessionTopic } from '../../jobs/notification-words.ts';
import { type AccessWatch, watchAccess } from '../http/watch-access.ts';
import type { Services } from '../services.ts';

/**
 * Watches the session of a browser while something is sent to it: when it signs out, or the session ends in another way, the
 * signal of the watch is aborted; at once where word of it arrives, else within 5 s.
 */
export function watchSession(
  { db, notifications }: Pick<Services, 'db' | 'notifications'>,
  session: string,
  signal: AbortSignal,
): AccessWatch {
  const watch = watchAccess(async () => (await findSession(db, session)) !== null, signal);
  const unsubscribe = notifications?.subscribe(sessionTopic(session), () => watch.look());
  return {
    get signal() {
      return watch.signal;
    },
    get isOver() {
      return watch.isOver;
    },
    look: () => watch.look(),
    end: () => {
      unsubscribe?.();
      watch.end();
    },
  };
}
