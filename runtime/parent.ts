/** The argument of a program that its parent starts early: it loads, and works when it hears {@link StartWord}. */
export const waitFlag = '--wait-for-start';

/** The parent's word that the database is up and prepared. */
export interface StartWord {
  readonly type: 'start';
  readonly databaseUrl: string;
}

/**
 * Ties this process to the one that started it over an IPC channel: when that one is gone, even by SIGKILL, this one
 * goes too, so that no process is left behind. Without such a parent it does nothing. The channel alone does not keep
 * the process alive.
 */
export function followParent(): void {
  if (process.send === undefined) return;
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
  // The parent may have died before we listened.
  if (!process.connected) process.kill(process.pid, 'SIGKILL');
  process.channel?.unref();
}

/**
 * Waits for the parent's word, which may have come before; call it after {@link followParent}. `undefined` at once for
 * a program that was started without {@link waitFlag}, as by an operator.
 */
export async function receiveStart(): Promise<StartWord | undefined> {
  if (!process.argv.includes(waitFlag) || process.send === undefined) return undefined;
  return new Promise((resolve) => {
    const onMessage = (message: unknown) => {
      if (!isStartWord(message)) return;
      process.off('message', onMessage);
      process.channel?.unref();
      resolve(message);
    };
    // What came earlier is handed to the first listener.
    process.on('message', onMessage);
    // There is nothing else yet that keeps us alive.
    process.channel?.ref();
  });
}

function isStartWord(message: unknown): message is StartWord {
  if (typeof message !== 'object' || message === null) return false;
  const { type, databaseUrl } = { type: undefined, databaseUrl: undefined, ...message };
  return type === 'start' && typeof databaseUrl === 'string';
}

/** Tells the parent, if there is one, that this process does its work from now on; `facts` may say where. */
export function tellReady(facts: Readonly<Record<string, unknown>> = {}): void {
  process.send?.({ ...facts, type: 'ready' });
}
