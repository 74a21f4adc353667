import { join } from 'node:path';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';
import { type Service, startService } from '../support/service.ts';
import { folderDir } from '../support/tree-usage.ts';
import { createUser } from '../support/users.ts';
import { type Cli, makeCli } from './run-cli.ts';

/** A service, and a user with the program and a directory to work in. */
export interface CliStage {
  readonly service: Service;
  readonly dir: TempDir;
  /** The home directory of the user. */
  readonly home: string;
  readonly ada: Cli;
  /** Makes a folder. @returns its place on the volume */
  makeFolder(name: string): Promise<string>;
  close(): Promise<void>;
}

/** Starts them, with one worker and its queues in Postgres. */
export async function openCliStage(): Promise<CliStage> {
  const service = await startService({ backend: 'postgres', workers: 1 });
  const dir = await createTempDir();
  const { keypair } = await createUser(service);
  const home = join(dir.path, 'ada');
  const ada = makeCli({ url: service.url, home, keypair });
  return {
    service,
    dir,
    home,
    ada,
    makeFolder: async (name) => {
      const { stdout } = await ada(['create', name, '--json']);
      return folderDir(service.volumeRoot, JSON.parse(stdout).id);
    },
    close: async () => {
      await service.stop();
      await dir.remove();
    },
  };
}
