import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { settingsSchema } from '../../runtime/settings.ts';
import { readText, repositoryRoot } from './repository.ts';

describe('docker-compose.yml', () => {
  const text = readText('docker-compose.yml');

  it('passes its linter without a warning', () => {
    const program = join(repositoryRoot, 'node_modules/dclint/bin/dclint.cjs');
    const run = spawnSync(process.execPath, [program, '--max-warnings', '0', 'docker-compose.yml'], {
      cwd: repositoryRoot,
      encoding: 'utf8',
    });
    expect({ status: run.status, output: run.stdout.trim() }).toEqual({ status: 0, output: '' });
  });

  it('keeps Redis from forgetting jobs', () => {
    expect(text).toMatch(/--appendonly', 'yes'/);
    expect(text).toMatch(/--maxmemory-policy', 'noeviction'/);
  });

  it('has no secret of its own: each is required from the environment', () => {
    const secrets = [...text.matchAll(/\$\{(\w*(?:PASSWORD|KEY))(?::([^}]*))?\}/g)];
    expect(secrets.length).toBeGreaterThan(3);
    for (const [whole, , rule = ''] of secrets) expect(`${whole} ${rule}`).toContain('?');
  });

  it('asks for nothing that .env.example does not offer', () => {
    const wanted = new Set([...text.matchAll(/\$\{(\w+)/g)].map(([, name = '']) => name));
    const offered = [...readText('.env.example').matchAll(/^(\w+)=/gm)].map(([, name = '']) => name);
    expect([...wanted].sort()).toEqual([...offered].sort());
  });

  it('can be scaled: no service has a name, and what people open has the only ports, on this machine alone', () => {
    expect(text).not.toContain('container_name');
    const ports = [...text.matchAll(/^ {4}ports:\n +- '([^']*)'$/gm)].map(([, port = '']) => port);
    expect(ports).toHaveLength(text.split('\n    ports:').length - 1);
    expect(ports.map((port) => port.replace(/\$\{(\w+):-\d+\}/, '$1'))).toEqual([
      '127.0.0.1:PORT:8080',
      '127.0.0.1:GRAFANA_PORT:3000',
    ]);
  });

  it('gives its services settings that exist', () => {
    const settings = [...text.matchAll(/^ {4,6}(VFOLDER_\w+|DATABASE_URL|REDIS_URL|HOST|PORT):/gm)];
    const unknown = settings.map(([, name = '']) => name).filter((name) => !(name in settingsSchema.shape));
    expect(settings.length).toBeGreaterThan(8);
    expect(unknown).toEqual([]);
  });

  it('mounts files that exist', () => {
    const mounted = [...text.matchAll(/^ +- \.\/([^:]+):/gm)].map(([, path = '']) => path);
    expect(mounted.length).toBeGreaterThan(3);
    for (const path of mounted) expect(existsSync(join(repositoryRoot, path))).toBe(true);
  });
});
