import { createRequire } from 'node:module';

/** The version of the program, as in package.json. */
export function readVersion(): string {
  const manifest: unknown = createRequire(import.meta.url)('#root/package.json');
  const version: unknown =
    typeof manifest === 'object' && manifest !== null ? Reflect.get(manifest, 'version') : undefined;
  return typeof version === 'string' ? version : '0';
}
