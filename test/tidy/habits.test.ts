import { beforeAll, describe, expect, it } from 'vitest';
import { type Complaint, lintPlanted } from './planted-lint.ts';

const repeat = (count: number, line: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => line(index)).join('\n');

const branches = repeat(7, (index) => `  if (n > ${index}) { if (n % 2) total += ${index}; }`);

/** One planted breach per habit: rule, path, text. */
const breaches: readonly (readonly [rule: string, path: string, text: string])[] = [
  ['style/noExcessiveLinesPerFile', 'domain/long-file.ts', repeat(401, (i) => `export const a${i} = ${i};`)],
  [
    'style/noExcessiveLinesPerFile',
    'test/domain/long-file.test.ts',
    repeat(401, (i) => `export const a${i} = ${i};`),
  ],
  [
    'complexity/noExcessiveLinesPerFunction',
    'domain/long-function.ts',
    `export function long(n: number): number {\n${repeat(71, () => '  n += 1;')}\n  return n;\n}\n`,
  ],
  [
    'complexity/noExcessiveCognitiveComplexity',
    'domain/tangled.ts',
    `export function tangled(n: number): number {\n  let total = 0;\n${branches}\n  return total;\n}\n`,
  ],
  ['style/useFilenamingConvention', 'domain/camelCase.ts', 'export const a = 1;\n'],
  ['style/noDefaultExport', 'domain/default-export.ts', 'export default 1;\n'],
  ['style/noProcessEnv', 'api/environment.ts', 'export const home = process.env.HOME;\n'],
  ['suspicious/noConsole', 'worker/prints.ts', "console.log('x');\n"],
  ['suspicious/noExplicitAny', 'test/any.test.ts', 'export const a: any = 1;\n'],
  ['style/noNonNullAssertion', 'domain/bang.ts', 'export const f = (a?: string): string => a!;\n'],
  [
    'style/useImportType',
    'domain/import-type.ts',
    "import { EntryPath } from './x.ts';\nexport type A = EntryPath;\n",
  ],
  [
    'style/useNodejsImportProtocol',
    'domain/protocol.ts',
    "import { ok } from 'assert';\nexport const a = ok;\n",
  ],
  ['style/noEnum', 'domain/enumeration.ts', 'export enum A { b }\n'],
  ['performance/noBarrelFile', 'domain/barrel.ts', "export { a } from './camelCase.ts';\n"],
  [
    'suspicious/noImportCycles',
    'domain/cycle-a.ts',
    "import { b } from './cycle-b.ts';\nexport const a = () => b;\n",
  ],
  [
    'correctness/noUndeclaredDependencies',
    'domain/undeclared.ts',
    "import { x } from 'left-pad';\nexport const a = x;\n",
  ],
  [
    'correctness/noUndeclaredDependencies',
    'domain/dev-only.ts',
    "import { x } from 'fast-check';\nexport const a = x;\n",
  ],
  [
    'nursery/noFloatingPromises',
    'domain/floating.ts',
    'async function f(): Promise<void> {}\nexport function g(): void {\n  f();\n}\n',
  ],
  [
    'nursery/noMisusedPromises',
    'domain/misused.ts',
    'async function f(): Promise<boolean> {\n  return true;\n}\nexport const a = f() ? 1 : 2;\n',
  ],
  [
    'nursery/useExhaustiveSwitchCases',
    'domain/not-exhaustive.ts',
    "export function f(a: 'x' | 'y'): void {\n  switch (a) {\n    case 'x':\n      f('y');\n      break;\n  }\n}\n",
  ],
  [
    'nursery/noDrizzleDeleteWithoutWhere',
    'db/delete-all.ts',
    'declare const tx: any;\nexport const f = async () => await tx.delete(1);\n',
  ],
  [
    'nursery/noDrizzleUpdateWithoutWhere',
    'db/update-all.ts',
    'declare const db: any;\nexport const f = async () => await db.update(1).set({});\n',
  ],
  ['suspicious/noFocusedTests', 'test/focused.test.ts', "it.only('x', () => {});\n"],
  ['suspicious/noSkippedTests', 'test/skipped.test.ts', "it.skip('x', () => {});\n"],
  ['plugin', 'api/assertion.ts', "export const a = JSON.parse('1') as unknown;\n"],
];

const companions: Record<string, string> = {
  'domain/cycle-b.ts': "import { a } from './cycle-a.ts';\nexport const b = () => a;\n",
};

/** What must stay allowed, so that no rule is on by accident where it hurts. */
const legal: Record<string, string> = {
  'domain/brand.ts': "export const a = 'x' as unknown as { readonly b: 'c' };\n",
  'api/constant.ts': "export const a = ['x', 'y'] as const;\n",
  'api/typed-constant.ts': "export const a = { b: 'c' } as const satisfies Record<string, string>;\n",
  'api/renamed.ts': "import { x as y } from './x.ts';\nexport const a = y;\nexport { a as b };\n",
  'runtime/config.ts': 'export const home = process.env.HOME;\n',
  'vitest.config.ts': 'export default {};\n',
  'test/long-describe.test.ts': `describe('x', () => {\n${repeat(80, (i) => `  it('keeps ${i}', () => {});`)}\n});\n`,
};

describe('the habits the linter keeps', () => {
  let found: ReadonlyMap<string, readonly Complaint[]>;
  beforeAll(async () => {
    const planted = Object.fromEntries(breaches.map(([, path, text]) => [path, text]));
    found = await lintPlanted({ ...planted, ...companions, ...legal });
  });

  it.each(breaches)('reports %s on %s', (rule, path) => {
    const rules = (found.get(path) ?? []).map((complaint) => complaint.rule.replace(/^lint\//, ''));
    expect(rules).toContain(rule);
  });

  it.each(Object.keys(legal))('has nothing against %s', (path) => {
    expect(found.get(path) ?? []).toEqual([]);
  });
});
