// Makes the pictures of the README: npm run shots (needs Chromium). Starts the service on a directory of its own, gives it
// something to show and takes the dashboard in both colour schemes.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dataDir = mkdtempSync(join(tmpdir(), 'vfolder-shots-'));

function start() {
  const child = spawn(process.execPath, [join(root, 'dist/supervisor/main.js')], {
    env: { ...process.env, PORT: '0', LOG_LEVEL: 'error', VFOLDER_DATA_DIR: dataDir },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return new Promise((resolve) => {
    child.stdout.setEncoding('utf8').on('data', (text) => {
      const url = /is ready at (http:\S+)/.exec(text)?.[1];
      if (url !== undefined) resolve({ child, url });
    });
  });
}

async function fill(url, { access_key, secret_key }) {
  const authorization = `Basic ${Buffer.from(`${access_key}:${secret_key}`).toString('base64')}`;
  const call = async (method, path, body) => {
    const isForm = body instanceof FormData;
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { authorization, ...(isForm ? {} : { 'content-type': 'application/json' }) },
      body: isForm ? body : JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  };
  for (const name of ['My Data', 'imagenet', 'models']) {
    await call('POST', '/folders', { name });
    const form = new FormData();
    for (let index = 0; index < 20; index += 1) {
      form.append('src', new Blob([`${index}\n`.repeat(100_000)]), `run-${index}/log.txt`);
    }
    await call('POST', `/folders/${encodeURIComponent(name)}/upload`, form);
    await call('POST', `/folders/${encodeURIComponent(name)}/archives`, { files: ['.'], format: 'tar.gz' });
  }
  // A file where the archive area has to be makes one job fail, so that there is a failure to see.
  const area = join(dataDir, 'volumes', 'local', 'a');
  rmSync(area, { recursive: true, force: true });
  writeFileSync(area, '');
  await call('POST', '/folders/models/archives', { files: ['run-1'] });
}

const { child, url } = await start();
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
try {
  const keypair = JSON.parse(readFileSync(join(dataDir, 'admin-keypair.json'), 'utf8'));
  await fill(url, keypair);
  for (const colorScheme of ['light', 'dark']) {
    const page = await browser.newPage({ colorScheme, viewport: { width: 1200, height: 640 } });
    await page.goto(`${url}/admin/queues`);
    await page.getByLabel('Access key').fill(keypair.access_key);
    await page.getByLabel('Secret key').fill(keypair.secret_key);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.goto(`${url}/admin/queues/queue/archive.local`);
    await page.getByText('archive.build').first().waitFor();
    await page.screenshot({ path: join(root, 'docs', 'images', `dashboard-${colorScheme}.png`) });
    await page.close();
  }
} finally {
  await browser.close();
  child.kill('SIGTERM');
  await new Promise((resolve) => child.once('exit', resolve));
  rmSync(dataDir, { recursive: true, force: true });
}
