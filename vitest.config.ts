import { defineConfig } from 'vitest/config';

/**
 * One run starts one embedded Postgres (test/support/global-setup.ts); every test file clones its own database from a
 * migrated template. Files run in processes, because workers, sockets and signals are part of what is tested.
 */
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 20_000,
    reporters: process.env.CI === 'true' ? ['default', 'github-actions'] : ['default'],
  },
});
