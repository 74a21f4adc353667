import { createRequire } from 'node:module';

/**
 * The libraries of the queues. An `import` of a CommonJS package first looks through all of its files for the names
 * they export, which takes longer than running them (0.2 s for bullmq, in every process at every start); `require`
 * does not. Each is loaded when first asked for, because a process needs only the drivers of its own queue store.
 */
const require = createRequire(import.meta.url);

/** The queue library. */
export function loadBullmq(): typeof import('bullmq') {
  return require('bullmq');
}

/** The driver for queues in Redis. */
export function loadIoredis(): typeof import('ioredis') {
  return require('ioredis');
}

/** The driver for queues in Postgres. */
export function loadPg(): typeof import('pg') {
  return require('pg');
}
