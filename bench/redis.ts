import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort, stopProgram } from './service.ts';

/** A Redis server of a run, set up as the service wants it in production. */
export interface BenchRedis {
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts `redis-server` with its append-only file in `directory`; `null` when it is not installed. */
export async function startRedis(directory: string): Promise<BenchRedis | null> {
  if (spawnSync('redis-server', ['--version']).status !== 0) return null;
  const port = await freePort();
  const flags = ['--port', port, '--bind', '127.0.0.1', '--dir', directory, '--save', ''];
  const durability = ['--appendonly', 'yes', '--appendfsync', 'everysec', '--maxmemory-policy', 'noeviction'];
  const child: ChildProcess = spawn('redis-server', [...flags.map(String), ...durability], {
    stdio: 'ignore',
  });
  for (let round = 0; round < 100; round += 1) {
    const ping = spawnSync('redis-cli', ['-p', String(port), 'ping'], { encoding: 'utf8' });
    if (ping.stdout?.trim() === 'PONG') {
      return { url: `redis://127.0.0.1:${port}`, stop: () => stopProgram(child) };
    }
    await delay(50);
  }
  await stopProgram(child);
  throw new Error('redis-server does not answer.');
}
