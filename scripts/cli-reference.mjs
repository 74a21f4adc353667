// Writes the commands into docs/CLI.md, below its marker; a test compares the two. What is above is written by hand.
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeProgram } from '../dist/cli/program.js';
import { renderReference } from '../dist/cli/reference.js';

const path = join(dirname(dirname(fileURLToPath(import.meta.url))), 'docs/CLI.md');
const marker = '<!-- The rest is made by "npm run docs:cli". -->';
const terminal = { stdout: process.stdout, stderr: process.stderr };
const [byHand] = readFileSync(path, 'utf8').split(marker);
writeFileSync(path, `${byHand}${marker}\n\n${renderReference(makeProgram(terminal))}\n`);
