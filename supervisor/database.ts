import { setTimeout } from 'node:timers/promises';
import type { Config } from '../runtime/config.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../runtime/embedded-postgres.ts';
import type { ProcessLogger } from '../runtime/logger.ts';

/** The database of this start and its end. */
export interface SupervisedDatabase {
  readonly url: string;
  /** Stops it when it is ours. */
  stop(): Promise<void>;
}

const restartWaitMs = 1_000;

/**
 * The database of the settings, or the embedded one, which is started again whenever it ends unasked.
 * @throws ConfigError when it does not start
 */
export async function superviseDatabase(
  config: Pick<Config, 'databaseUrl' | 'dataDir'>,
  logger: Pick<ProcessLogger, 'warn' | 'error' | 'debug'>,
): Promise<SupervisedDatabase> {
  if (config.databaseUrl !== undefined) return { url: config.databaseUrl, stop: async () => undefined };
  const start = () =>
    startEmbeddedPostgres({
      dataDir: config.dataDir,
      onLog: (line) => logger.debug({ line }, 'postgres.said'),
    });
  let server = await start();
  let isStopping = false;
  const watch = async (running: EmbeddedPostgres): Promise<void> => {
    await running.exited;
    while (!isStopping) {
      logger.warn({ postgres_pid: running.pid }, 'postgres.ended');
      try {
        server = await start();
        break;
      } catch (err) {
        logger.error({ err }, 'postgres.start-failed');
        await setTimeout(restartWaitMs);
      }
    }
    if (isStopping) await server.stop();
    else void watch(server);
  };
  void watch(server);
  return {
    url: server.url,
    stop: async () => {
      isStopping = true;
      await server.stop();
    },
  };
}
