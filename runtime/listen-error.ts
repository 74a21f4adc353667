import { ConfigError } from './config-error.ts';

/** The settings that say where to listen. */
interface ListenSettings {
  readonly port: number;
  readonly host: string;
  readonly portName: string;
  readonly hostName: string;
}

/** Says in one sentence why an address cannot be listened on, naming the setting and the mend. */
export function listenError(cause: unknown, { port, host, portName, hostName }: ListenSettings): ConfigError {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === 'EADDRINUSE') {
    return new ConfigError(`Port ${port} is in use: set ${portName} to a free one.`, { cause });
  }
  if (code === 'EACCES') {
    return new ConfigError(`Port ${port} may not be used: set ${portName} above 1023.`, { cause });
  }
  const mend = `set ${hostName} to an address of this machine.`;
  return new ConfigError(`${hostName} "${host}" cannot be listened on: ${mend}`, { cause });
}
