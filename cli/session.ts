import { openClient, type VFolderClient } from '../client/client.ts';
import type { RetryPolicy } from '../client/retry.ts';
import type { Invocation } from './invocation.ts';
import { findTarget, type Target } from './settings.ts';
import { readVersion } from './version.ts';

/** Somebody waits before a screen; transfers are more patient. */
const shortRetries: RetryPolicy = { budgetMs: 10_000, firstMs: 250, mostMs: 2_000 };

/** A command with its way to the service. */
export interface Session {
  readonly client: VFolderClient;
  readonly target: Target;
}

/** Opens the way to a service: a few tries, of which somebody who waits is told. */
export function openWay(
  { terminal, flag }: Pick<Invocation, 'terminal' | 'flag'>,
  { url, credentials }: Pick<Target, 'url' | 'credentials'>,
  retries: RetryPolicy = shortRetries,
): VFolderClient {
  const isQuiet = flag('quiet');
  let lastReason: string | undefined;
  return openClient({
    url,
    credentials,
    userAgent: `vfolder-cli/${readVersion()}`,
    retries,
    signal: terminal.signal,
    onRetry: (reason) => {
      if (!isQuiet && reason !== lastReason) terminal.stderr.write(`${reason} Trying again.\n`);
      lastReason = reason;
    },
  });
}

/** Opens the way to the service that flags, environment or profile name; nothing is sent yet. */
export async function openSession(
  invocation: Pick<Invocation, 'terminal' | 'text' | 'flag'>,
  { retries = shortRetries }: { readonly retries?: RetryPolicy } = {},
): Promise<Session> {
  const { terminal } = invocation;
  const target = await findTarget(terminal.env, {
    url: invocation.text('url'),
    profile: invocation.text('profile'),
  });
  return { client: openWay(invocation, target, retries), target };
}
