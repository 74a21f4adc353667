import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { connect } from 'node:net';
import { eventually } from './eventually.ts';
import { findFreePort } from './free-port.ts';
import { createTempDir } from './temp-dir.ts';

/** A real redis-server of one test file. */
export interface TestRedis {
  /** `redis://127.0.0.1:<port>`; the same after a restart. */
  readonly url: string;
  /** Kills the server as a crash would; its data is forgotten, for nothing is saved. */
  kill(): Promise<void>;
  /** Starts it again, empty, on the same port. */
  restart(): Promise<void>;
  /** Sends one inline command such as `FLUSHALL` and answers the first line of the reply. */
  command(line: string): Promise<string>;
  /** Stops the server and removes its directory. */
  stop(): Promise<void>;
}

/**
 * Whether redis-server is in PATH. In CI a missing one is an error, so that nobody mistakes a skipped suite for a
 * passed one; elsewhere the suites that need it are reported as skipped.
 */
export function isRedisAvailable(): boolean {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' });
    return true;
  } catch (error) {
    if (process.env.CI === 'true') throw new Error('CI needs redis-server in PATH.', { cause: error });
    return false;
  }
}

/**
 * Starts a redis-server on a free port, without persistence and with `noeviction`.
 *
 *     const redis = await startRedis();
 *     afterAll(() => redis.stop());
 */
export async function startRedis(): Promise<TestRedis> {
  const dir = await createTempDir();
  const port = await findFreePort();
  let child = await launch(port, dir.path);
  const command = (line: string) => sendInline(port, line);
  return {
    url: `redis://127.0.0.1:${port}`,
    command,
    kill: () => end(child, 'SIGKILL'),
    restart: async () => {
      child = await launch(port, dir.path);
    },
    stop: async () => {
      await end(child, 'SIGKILL');
      await dir.remove();
    },
  };
}

async function launch(port: number, dir: string): Promise<ChildProcess> {
  const options = { port: String(port), bind: '127.0.0.1', dir, save: '', appendonly: 'no' };
  const args = Object.entries({ ...options, 'maxmemory-policy': 'noeviction' }).flatMap(([name, value]) => [
    `--${name}`,
    value,
  ]);
  const child = spawn('redis-server', args, { stdio: 'ignore' });
  // A test file that ends without its hooks leaves no server behind.
  const killWithUs = () => child.kill('SIGKILL');
  process.once('exit', killWithUs);
  child.once('exit', () => process.off('exit', killWithUs));
  await eventually(async () => {
    if (child.exitCode !== null) throw new Error(`redis-server exited with ${child.exitCode}`);
    if ((await sendInline(port, 'PING')) !== '+PONG') throw new Error('redis-server is not ready');
  });
  return child;
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill(signal);
  await ended;
}

function sendInline(port: number, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(`${line}\r\n`));
    socket.setTimeout(5_000, () => socket.destroy(new Error('redis-server does not answer')));
    socket.once('error', reject);
    socket.once('data', (chunk) => {
      socket.destroy();
      resolve(chunk.toString('utf8').split('\r\n')[0] ?? '');
    });
  });
}
