import { describe, expect, it } from 'vitest';
import { cleanPath, parseAddress, parseFolder } from '../../cli/address.ts';
import { exitCodeOf } from '../../cli/exit-codes.ts';
import { displayWidth, formatTable } from '../../cli/output.ts';
import { makeProgram } from '../../cli/program.ts';
import { formatProgress } from '../../cli/progress.ts';
import { renderReference } from '../../cli/reference.ts';
import { credentialsOfEnv } from '../../cli/settings.ts';
import { formatBytes, formatSeconds, parseDuration, parseWhole } from '../../cli/sizes.ts';
import { printable } from '../../cli/terminal.ts';
import { isSafePath } from '../../cli/transfer/download-tree.ts';
import { targetName } from '../../cli/transfer/walk-local.ts';
import { ConnectionError, JobError, ProblemError } from '../../client/errors.ts';
import { readText } from '../tidy/repository.ts';

const esc = String.fromCharCode(27);

describe('addresses', () => {
  it('are remote with a colon in their first part, local otherwise', () => {
    expect(parseAddress('My Data:a/b')).toMatchObject({ kind: 'remote', folder: 'My Data', path: 'a/b' });
    expect(parseAddress('data:')).toMatchObject({ kind: 'remote', path: '', isDirectory: true });
    expect(parseAddress('data:a//./b/')).toMatchObject({ path: 'a/b', isDirectory: true });
    expect(parseAddress('data:a/.')).toMatchObject({ path: 'a', isContent: true });
    expect(parseAddress('./a:b')).toEqual({ kind: 'local', path: './a:b' });
    expect(parseAddress(':a')).toEqual({ kind: 'local', path: ':a' });
    expect(parseAddress('-')).toEqual({ kind: 'stream' });
  });

  it('never leave their folder', () => {
    expect(() => cleanPath('a/../../b')).toThrow(/leaves its folder/);
    expect(() => parseFolder(':')).toThrow(/empty/);
  });

  it('give sources the names that cp gives them', () => {
    expect([
      targetName('a/b'),
      targetName('a/b/'),
      targetName('a/.'),
      targetName('.'),
      targetName('..'),
    ]).toEqual(['b', 'b', '', '', '']);
  });

  it('of a hostile service never lead out of the destination', () => {
    for (const path of ['../x', 'a/../../x', '/etc/x', 'a//b', '.', '', 'a/\0'])
      expect(isSafePath(path)).toBe(false);
    expect(isSafePath('a/..b/c')).toBe(true);
  });
});

describe('sizes and times', () => {
  it('are written for people', () => {
    expect([0, 1023, 1024, 1_572_864, 5 * 1024 ** 4].map(formatBytes)).toEqual([
      '0 B',
      '1023 B',
      '1.0 KiB',
      '1.5 MiB',
      '5.0 TiB',
    ]);
    expect([0, 59.4, 61, 3_725].map(formatSeconds)).toEqual(['0s', '59s', '1m01s', '1h02m']);
    const state = { doneBytes: 512, totalBytes: 1024, doneFiles: 1, totalFiles: 2 };
    expect(formatProgress('Up', state, 512)).toBe(
      'Up · 50 % · 512 B of 1.0 KiB · 1 of 2 files · 512 B/s · 1s left',
    );
    const sent = { doneBytes: 1024, totalBytes: 1024, doneFiles: 0, totalFiles: 1 };
    expect(formatProgress('Up', sent, 512)).toBe('Up · 100 % · 1.0 KiB of 1.0 KiB · being put in place');
    const empty = { doneBytes: 0, totalBytes: 0, doneFiles: 1, totalFiles: 4 };
    expect(formatProgress('Up', empty, 0)).toBe('Up · 25 % · 0 B · 1 of 4 files');
  });

  it('are read strictly', () => {
    expect(parseDuration('90d')).toBe(7_776_000);
    for (const text of ['', '1', 'd', '-1d', '1y']) expect(() => parseDuration(text)).toThrow(/no duration/);
    expect(() => parseWhole('0', 'transfers', [1, 64])).toThrow(/--transfers/);
  });
});

describe('output', () => {
  it('lines columns up by what a terminal shows', () => {
    const columns = [
      { title: 'NAME', cell: (item: { readonly name: string }) => item.name },
      { title: 'N', cell: () => '1', align: 'end' as const },
    ];
    expect(formatTable([{ name: '名前' }, { name: 'a' }], columns)).toBe('NAME  N\n名前  1\na     1\n');
    expect(displayWidth('e\u0301名')).toBe(3);
  });

  it('shows names without letting them do anything', () => {
    expect(printable(`a${esc}[2Jb\nc`)).toBe('a\\u001b[2Jb\\u000ac');
  });
});

describe('exit codes', () => {
  it('sort problems by their code and else by their status', () => {
    const code = (status: number, name: string) => exitCodeOf(new ProblemError(status, { code: name }));
    expect(code(400, 'folder_name_taken')).toBe(6);
    expect(code(400, 'name_invalid')).toBe(2);
    expect(code(406, 'folder_limit_reached')).toBe(7);
    expect(code(507, 'quota_exceeded')).toBe(7);
    expect(code(404, 'not_found')).toBe(3);
    expect(code(403, 'admin_required')).toBe(4);
    expect(code(503, 'service_unavailable')).toBe(5);
    expect(code(418, 'unknown')).toBe(1);
    expect(exitCodeOf(new ConnectionError('x', undefined))).toBe(5);
    expect(exitCodeOf(new JobError({ id: '1', state: 'failed', code: 'internal', detail: 'x' }))).toBe(9);
    expect(exitCodeOf(new DOMException('x', 'AbortError'))).toBe(130);
  });
});

describe('credentials of the environment', () => {
  it('are whole or refused', () => {
    expect(credentialsOfEnv({ VFOLDER_ACCESS_KEY: 'a', VFOLDER_SECRET_KEY: 'b' })).toEqual({
      kind: 'keypair',
      accessKey: 'a',
      secretKey: 'b',
    });
    expect(() => credentialsOfEnv({ VFOLDER_ACCESS_KEY: 'a' })).toThrow(/belong together/);
    expect(() =>
      credentialsOfEnv({ VFOLDER_ACCESS_KEY: 'a', VFOLDER_SECRET_KEY: 'b', VFOLDER_TOKEN: 'c' }),
    ).toThrow(/both set/);
  });
});

describe('docs/CLI.md', () => {
  it('describes the commands as they are ("npm run docs:cli" writes it)', () => {
    const terminal = {
      env: {},
      stdout: process.stdout,
      stderr: process.stderr,
      stdin: process.stdin,
      signal: new AbortController().signal,
    };
    expect(readText('docs/CLI.md')).toContain(renderReference(makeProgram(terminal)));
  });
});
