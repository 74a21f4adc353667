import { readConfig } from '../runtime/config.ts';
import { createLogger } from '../runtime/logger.ts';
import { runMain } from '../runtime/run-main.ts';
import { supervise } from './supervise.ts';

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';

runMain(async () => {
  const { env, stdout, stderr } = process;
  // Somebody may read the first lines only.
  stdout.on('error', () => undefined);
  const config = readConfig(env);
  await supervise({
    config,
    env,
    logger: createLogger({
      role: 'supervisor',
      level: env.LOG_LEVEL ? config.logLevel : 'warn',
      destination: stderr,
    }),
    entries: {
      api: new URL(`../api/main.${extension}`, import.meta.url),
      worker: new URL(`../worker/main.${extension}`, import.meta.url),
    },
    say: (line) => stdout.write(`${line}\n`),
  });
});
