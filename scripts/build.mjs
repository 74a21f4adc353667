// Compiles the source into dist/. Each file is replaced in one step and the stamp comes last, so that builds may run
// at once and beside a running service. With --if-stale it does nothing when dist/ was made from the same source;
// with --if-possible a missing compiler is no failure (npm ci --omit=dev beside a dist/ made elsewhere).
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');
const stampPath = join(dist, '.stamp');
const configs = ['tsconfig.json', 'tsconfig.build.json'];

function filesBelow(dir, keep) {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && keep(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

function sources() {
  const { include } = JSON.parse(readFileSync(join(root, 'tsconfig.build.json'), 'utf8'));
  return include.flatMap((dir) => filesBelow(join(root, dir), (name) => name.endsWith('.ts')));
}

// A digest and not times: checkouts, copies and clocks change those without changing the source.
function digestOf(files) {
  const hash = createHash('sha256');
  for (const file of [...configs.map((name) => join(root, name)), ...files]) {
    hash
      .update(`${relative(root, file)}\0`)
      .update(readFileSync(file))
      .update('\0');
  }
  return hash.digest('hex');
}

function compile(outDir) {
  const require = createRequire(import.meta.url);
  let compiler;
  try {
    compiler = join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc');
  } catch {
    if (process.argv.includes('--if-possible')) process.exit(0);
    fail(
      'TypeScript is not installed: run "npm ci" without --omit=dev, or bring dist/ along from a machine that has it.',
    );
  }
  const { status } = spawnSync(
    process.execPath,
    [compiler, '-p', 'tsconfig.build.json', '--outDir', outDir],
    { cwd: root, stdio: ['ignore', 2, 2] },
  );
  if (status !== 0) fail('The source does not compile: mend the errors above.');
}

function programs() {
  const { bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return Object.values(bin).map((path) => join(root, path));
}

function publish(outDir) {
  const made = filesBelow(outDir, () => true).map((file) => relative(outDir, file));
  for (const name of made) {
    mkdirSync(dirname(join(dist, name)), { recursive: true });
    renameSync(join(outDir, name), join(dist, name));
  }
  const wanted = new Set(made);
  for (const file of filesBelow(dist, (name) => /\.js(\.map)?$/.test(name))) {
    const name = relative(dist, file);
    if (!wanted.has(name) && !name.startsWith('.build-')) rmSync(file, { force: true });
  }
}

// A build that was killed leaves its directory; one this old is not at work any more.
function removeLeftovers() {
  for (const name of readdirSync(dist).filter((entry) => entry.startsWith('.build-'))) {
    const path = join(dist, name);
    const startedMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    if (Date.now() - startedMs > 600_000) rmSync(path, { recursive: true, force: true });
  }
}

function fail(sentence) {
  process.stderr.write(`vfolder: ${sentence}\n`);
  process.exit(1);
}

function build() {
  if (!existsSync(join(root, 'tsconfig.build.json'))) {
    if (existsSync(stampPath)) return;
    fail('There is neither source nor dist/: install from a whole checkout.');
  }
  const digest = digestOf(sources());
  const isFresh = existsSync(stampPath) && readFileSync(stampPath, 'utf8') === digest;
  if (isFresh && process.argv.includes('--if-stale')) return;
  mkdirSync(dist, { recursive: true });
  removeLeftovers();
  const outDir = mkdtempSync(join(dist, '.build-'));
  process.on('exit', () => rmSync(outDir, { recursive: true, force: true }));
  compile(outDir);
  // The compiler keeps the first line of a program, but makes plain files.
  for (const program of programs()) chmodSync(join(outDir, relative(dist, program)), 0o755);
  publish(outDir);
  writeFileSync(join(outDir, 'stamp'), digest);
  renameSync(join(outDir, 'stamp'), stampPath);
}

build();
