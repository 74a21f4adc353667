import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { z } from 'zod';

/** The version of the service, as in package.json. */
export const version = z
  .object({ version: z.string() })
  .parse(
    JSON.parse(readFileSync(createRequire(import.meta.url).resolve('#root/package.json'), 'utf8')),
  ).version;
