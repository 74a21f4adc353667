import type { Service } from '../support/service.ts';
import { type Cli, makeCli } from './run-cli.ts';

/** One line of `vfolder admin doctor --json`. */
export interface Found {
  readonly name: string;
  readonly state: string;
  readonly detail: string;
  readonly mend?: string;
}

function isFound(value: unknown): value is Found {
  return typeof value === 'object' && value !== null && 'name' in value && 'state' in value;
}

/** What the doctor finds with the environment of a service, to which `env` is added. */
export async function examineService(
  service: Service,
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly code: number | null; readonly found: readonly Found[] }> {
  const doctor: Cli = makeCli({
    url: service.url,
    home: service.dataDir,
    env: { ...service.env, UV_THREADPOOL_SIZE: '32', ...env },
  });
  const { code, stdout } = await doctor(['admin', 'doctor', '--json']);
  const parsed: unknown = JSON.parse(stdout);
  return { code, found: Array.isArray(parsed) ? parsed.filter(isFound) : [] };
}

/** The names of what is not well. */
export function badNames(found: readonly Found[]): string[] {
  return found.filter(({ state }) => state === 'bad').map(({ name }) => name);
}
