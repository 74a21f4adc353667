import type { Config } from '../runtime/config.ts';
import { ConfigError } from '../runtime/config-error.ts';
import { version } from '../runtime/version.ts';
import type { Tracing } from '../tracing/open-tracing.ts';

/** The traces of a process. */
export type OpenedTracing = Tracing;

/** Where Node says that a package is missing. */
const missingCode = 'ERR_MODULE_NOT_FOUND';

/**
 * Opens the traces of a process where the settings ask for them; else nothing of it is loaded.
 * @throws ConfigError when the packages are not installed
 */
export async function openTracing(
  config: Pick<Config, 'tracing'>,
  options: { readonly role: string; readonly onError: (error: unknown) => void },
): Promise<Tracing | undefined> {
  if (config.tracing === undefined) return undefined;
  const { asker, protocol } = config.tracing;
  const room = await import('../tracing/open-tracing.ts').catch((cause: unknown) => {
    if (!(cause instanceof Error && 'code' in cause && cause.code === missingCode)) throw cause;
    const mend = 'install them with "npm ci --include=optional", or set OTEL_SDK_DISABLED=true';
    throw new ConfigError(`${asker} asks for traces and the OpenTelemetry packages are missing: ${mend}.`, {
      cause,
    });
  });
  return room.openTracing({ ...options, version, protocol });
}
