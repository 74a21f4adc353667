import { expect, it } from 'vitest';
import { eachItem } from '../../cli/each-item.ts';
import { CliError, exitCodes } from '../../cli/exit-codes.ts';
import { toInvocation } from '../../cli/invocation.ts';
import { ConnectionError } from '../../client/errors.ts';

async function run(items: readonly string[], fail: Readonly<Record<string, Error>>) {
  let said = '';
  const done: string[] = [];
  let isShown = false;
  const stderr = {
    write: (text: string | Uint8Array) => {
      said += String(text);
      return true;
    },
    isTTY: false,
    columns: 80,
  };
  const { stdin, stdout } = process;
  const signal = new AbortController().signal;
  const invocation = toInvocation({ env: {}, stdin, stdout, stderr, signal }, items, {});
  const act = async (item: string): Promise<void> => {
    const error = fail[item];
    if (error !== undefined) throw error;
    done.push(item);
  };
  const show = async (): Promise<void> => {
    isShown = true;
  };
  const error: unknown = await eachItem(invocation, items, { act, show }).catch((thrown: unknown) => thrown);
  return { error, said, done, isShown };
}

it('a single failure is what it is', async () => {
  const missing = new CliError(exitCodes.notFound, 'not there');
  expect(await run(['a'], { a: missing })).toEqual({ error: missing, said: '', done: [], isShown: false });
});

it('what fails for nobody there is not tried again, and the rest is named', async () => {
  const nobody = new ConnectionError('nobody there', undefined);
  const { error, said, done } = await run(['a', 'b', 'c'], { b: nobody });
  expect(error).toMatchObject({ exitCode: exitCodes.partly });
  expect([said, done]).toEqual(['b: nobody there\nc: Not begun.\n', ['a']]);
});

it('items that are each done in part are not told as undone', async () => {
  const partly = new CliError(exitCodes.partly, '1 of 2 could not be deleted.');
  const { error } = await run(['a', 'b'], { a: new CliError(exitCodes.notFound, 'x'), b: partly });
  expect(error).toMatchObject({ exitCode: exitCodes.partly, message: '2 of 2 failed.' });
});

it('no items are no failure, and are shown', async () => {
  expect(await run([], {})).toMatchObject({ error: undefined, isShown: true });
});
