import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makeSelfSigned } from '../../support/certificate.ts';
import { answerPage, type Front, type Mischief, startFront } from '../proxy/front.ts';
import { createUser } from '../support/users.ts';
import { type CliStage, openCliStage } from './cli-stage.ts';
import { type Cli, makeCli } from './run-cli.ts';

const mib = 1024 ** 2;
/** More than one chunk of a resumable upload. */
const content = randomBytes(18 * mib);

let stage: CliStage;
let source: string;
let keypair: Awaited<ReturnType<typeof createUser>>['keypair'];
const closers: (() => Promise<void>)[] = [];

beforeAll(async () => {
  stage = await openCliStage();
  ({ keypair } = await createUser(stage.service));
  source = join(stage.dir.path, 'source.bin');
  await writeFile(source, content);
  expect(await cliAt(stage.service.url)(['create', 'front'])).toMatchObject({ code: 0 });
}, 60_000);
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});
afterAll(() => stage?.close());

function cliAt(url: string, env: Readonly<Record<string, string>> = {}): Cli {
  return makeCli({ url, home: stage.home, keypair, env });
}

async function openFront(...tls: Parameters<typeof makeSelfSigned> | []): Promise<Front> {
  const front = await startFront(stage.service.url, ...(tls.length === 0 ? [] : [makeSelfSigned(...tls)]));
  closers.push(front.close);
  return front;
}

let names = 0;

/** Sends a file, lists it, and fetches it again. */
async function expectRoundTrip(cli: Cli): Promise<void> {
  names += 1;
  const [name, target] = [`f${names}.bin`, join(stage.dir.path, `back${names}.bin`)];
  expect(await cli(['-q', 'put', source, `front:${name}`])).toMatchObject({ code: 0 });
  const listed = await cli(['ls', 'front:', '-o', 'name']);
  expect(listed.code, listed.stderr).toBe(0);
  expect(listed.stdout).toContain(name);
  expect(await cli(['-q', 'get', `front:${name}`, target])).toMatchObject({ code: 0 });
  expect(content.equals(await readFile(target))).toBe(true);
}

/** It ends with a sentence, after one for each file that failed and each kind of failure that was waited for; there is no stack. */
function expectSentence(run: { readonly stderr: string; readonly code: number | null }, code: number): void {
  const lines = run.stderr.trimEnd().split('\n');
  expect(run.code, run.stderr).toBe(code);
  expect(lines.at(-1)).toMatch(/^vfolder: .+\.$/);
  const isTold = (line: string) => line.endsWith(' Trying again.') || line.startsWith(`${source}: `);
  expect(lines.slice(0, -1).filter((line) => !isTold(line))).toEqual([]);
}

describe('over TLS', () => {
  it('a certificate that NODE_EXTRA_CA_CERTS names is trusted', async () => {
    const tls = makeSelfSigned();
    const front = await startFront(stage.service.url, tls);
    closers.push(front.close);
    const authority = join(stage.dir.path, 'authority.pem');
    await writeFile(authority, tls.cert);
    await expectRoundTrip(cliAt(front.url, { NODE_EXTRA_CA_CERTS: authority }));
    expect(front.seen.length).toBeGreaterThan(3);
  });

  it.each([
    { what: 'of nobody that is known', days: 2, reason: 'DEPTH_ZERO_SELF_SIGNED_CERT' },
    { what: 'that has expired', days: 0.5, reason: 'CERT_HAS_EXPIRED' },
  ])(
    'a certificate $what is refused once, in one sentence, and nothing is sent',
    async ({ days, reason }) => {
      const tls = makeSelfSigned({ days });
      const front = await startFront(stage.service.url, tls);
      closers.push(front.close);
      const authority = join(stage.dir.path, 'other.pem');
      await writeFile(authority, days < 1 ? tls.cert : makeSelfSigned().cert);
      const cli = cliAt(front.url, { NODE_EXTRA_CA_CERTS: authority });
      for (const args of [
        ['ls', 'front:'],
        ['put', source, 'front:x.bin'],
        ['put', '-', 'front:x.bin'],
        ['get', 'front:x.bin', join(stage.dir.path, 'x.bin')],
      ]) {
        const before = front.connections();
        const run = await cli(['-q', ...args], args.includes('-') ? 'some' : undefined);
        expectSentence(run, 1);
        expect(run.stderr).toContain(`The certificate of ${front.url} is not trusted (${reason})`);
        expect(front.connections() - before).toBe(1);
      }
      expect(front.seen).toEqual([]);
    },
  );

  it('a service that does not speak it is told of once', async () => {
    const front = await openFront();
    const run = await cliAt(front.url.replace('http:', 'https:'))(['ls', 'front:']);
    expectSentence(run, 1);
    expect(run.stderr).toContain('does not speak TLS');
    expect(front.connections()).toBe(1);
  });

  it('connections that close without a word are opened anew', async () => {
    const tls = makeSelfSigned();
    const front = await startFront(stage.service.url, tls);
    closers.push(front.close);
    front.isClosing = true;
    const authority = join(stage.dir.path, 'closing.pem');
    await writeFile(authority, tls.cert);
    await expectRoundTrip(cliAt(front.url, { NODE_EXTRA_CA_CERTS: authority }));
  });
});

describe('behind a proxy', () => {
  it('that keeps all of a body before it passes it on', async () => {
    const front = await openFront();
    front.isBuffering = true;
    await expectRoundTrip(cliAt(front.url));
  });

  it('that closes connections after each answer without saying so', async () => {
    const front = await openFront();
    front.isClosing = true;
    await expectRoundTrip(cliAt(front.url));
  });

  it.each([502, 503, 504])(
    'that answers the first request of each kind with a page of %d',
    async (status) => {
      const front = await openFront();
      const known = new Set<string>();
      front.mischief = (incoming, outgoing) => {
        const kind = `${incoming.method} ${incoming.url}`;
        if (known.has(kind)) return false;
        known.add(kind);
        // As nginx does: answers, reads some more, and closes.
        answerPage(outgoing, status, { Connection: 'close' });
        incoming.resume();
        return true;
      };
      await expectRoundTrip(cliAt(front.url));
      expect(known.size).toBeGreaterThan(3);
      expect(front.seen.length).toBeGreaterThanOrEqual(2 * known.size);
    },
  );

  it('that cuts every other answer in the middle', async () => {
    const front = await openFront();
    let count = 0;
    front.mischief = (incoming, outgoing) => {
      if (incoming.method !== 'GET') return false;
      count += 1;
      if (count % 2 === 0) return false;
      outgoing.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': 1_000 });
      outgoing.write('{"', () => outgoing.destroy());
      return true;
    };
    const run = await cliAt(front.url)(['ls', 'front:', '-o', 'name']);
    expect(run.code, run.stderr).toBe(0);
  });

  const hopeless: readonly { what: string; code: number; says: RegExp; mischief: Mischief }[] = [
    {
      what: 'that has no service for an hour',
      code: 5,
      says: /answered 503 \(Service Unavailable\)/,
      mischief: (incoming, outgoing) => {
        answerPage(outgoing, 503, { 'Retry-After': '3600' });
        incoming.resume();
        return true;
      },
    },
    {
      what: 'that takes no large bodies',
      code: 7,
      says: /answered 413 \(/,
      mischief: (incoming, outgoing) => {
        if (incoming.method === 'GET' || incoming.method === 'HEAD') return false;
        answerPage(outgoing, 413, { Connection: 'close' });
        incoming.resume();
        return true;
      },
    },
    {
      what: 'that wants everybody to sign in on a page of its own',
      code: 1,
      says: /does not answer as a VFolder service does/,
      mischief: (incoming, outgoing) => {
        answerPage(outgoing, 200);
        incoming.resume();
        return true;
      },
    },
    {
      what: 'that leads elsewhere',
      code: 1,
      says: /answered 302 \(Found\)/,
      mischief: (incoming, outgoing) => {
        answerPage(outgoing, 302, { Location: 'https://sign-in.example.org/' });
        incoming.resume();
        return true;
      },
    },
  ];
  it.each(hopeless)('$what it ends with one sentence', async ({ code, says, mischief }) => {
    const front = await openFront();
    front.mischief = mischief;
    const runs = [['put', source, 'front:hopeless.bin']];
    if (code !== 7)
      runs.push(['ls', 'front:'], ['get', 'front:f1.bin', join(stage.dir.path, 'hopeless.bin')]);
    for (const args of runs) {
      const run = await cliAt(front.url)(['-q', ...args]);
      expectSentence(run, code);
      expect(run.stderr).toMatch(says);
    }
  });
});
