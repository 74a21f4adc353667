import type { Config } from '../runtime/config.ts';
import { listenError } from '../runtime/listen-error.ts';

/** What listens; see `metrics/open-metrics.ts`. */
interface Listener {
  listen(address: { readonly port: number; readonly host: string }): Promise<number>;
}

/**
 * Makes the figures of a process readable where the settings say. @returns the port, `undefined` when none is asked for
 * @throws ConfigError naming the setting when it cannot be listened on
 */
export async function listenForReaders(
  metrics: Listener | undefined,
  config: Pick<Config, 'metrics'>,
): Promise<number | undefined> {
  if (metrics === undefined || config.metrics === undefined) return undefined;
  const names = { portName: 'VFOLDER_METRICS_PORT', hostName: 'VFOLDER_METRICS_HOST' };
  const { port, host } = config.metrics;
  return await metrics.listen({ port, host }).catch((cause: unknown) => {
    throw listenError(cause, { port, host, ...names });
  });
}
