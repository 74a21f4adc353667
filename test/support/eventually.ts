import { setTimeout as delay } from 'node:timers/promises';

/**
 * Polls `attempt` until it resolves without throwing and answers its value; for everything that happens "soon".
 * After `timeoutMs` (default 15 s) it throws what the last attempt threw.
 *
 *     await eventually(async () => expect((await findJob(db, id)).state).toBe('succeeded'));
 */
export async function eventually<T>(
  attempt: () => Promise<T> | T,
  options: { readonly timeoutMs?: number; readonly everyMs?: number } = {},
): Promise<T> {
  const deadline = performance.now() + (options.timeoutMs ?? 15_000);
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    await delay(options.everyMs ?? 20);
  }
}
