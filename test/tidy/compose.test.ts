import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
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

  it('can be scaled: no service has a name or a fixed port of its own but the API', () => {
    expect(text).not.toContain('container_name');
    expect(text.match(/^ {4}ports:/gm)).toHaveLength(1);
  });
});
