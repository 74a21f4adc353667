import { Worker, type WorkerOptions } from 'node:worker_threads';

/** Loads TypeScript; only where the source runs, so no package of production. */
const sourceLoader = 'tsx/esm/api';

/** Starts a thread. Node 20 loads TypeScript in one only when the loader is registered there; for development and tests. */
export function startWorker(scriptUrl: URL, options: WorkerOptions = {}): Worker {
  if (!scriptUrl.href.endsWith('.ts')) return new Worker(scriptUrl, options);
  const [from, script] = [import.meta.resolve(sourceLoader), scriptUrl.href].map((url) =>
    JSON.stringify(url),
  );
  const source = `import(${from}).then(({ register }) => { register(); return import(${script}); })`;
  return new Worker(source, { ...options, eval: true });
}
