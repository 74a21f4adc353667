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

/** Tells the parent, if there is one, that this process does its work from now on; `facts` may say where. */
export function tellReady(facts: Readonly<Record<string, unknown>> = {}): void {
  process.send?.({ ...facts, type: 'ready' });
}
