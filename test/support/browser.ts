import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const paths = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Where the system's Chromium is; `undefined` without one. In CI a missing one is an error. */
export function findBrowser(): string | undefined {
  const path = paths.find((candidate) => existsSync(candidate));
  if (path === undefined && process.env.CI === 'true') {
    throw new Error('Chromium is missing: install it (Debian: apt-get install chromium).');
  }
  return path;
}

/** Starts the system's Chromium without a window; it talks to nobody by itself. Close it when done. */
export function startBrowser(executablePath: string): Promise<Browser> {
  return chromium.launch({
    executablePath,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
