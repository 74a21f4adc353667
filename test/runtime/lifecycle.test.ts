import { EventEmitter } from 'node:events';
import { beforeEach, describe, expect, it } from 'vitest';
import { createLifecycle, type Lifecycle, type ShutdownStep } from '../../runtime/lifecycle.ts';
import { eventually } from '../support/eventually.ts';

let log: string[];
let events: EventEmitter;

const note = (_fields: unknown, event: string) => void log.push(event);
const logger = { info: note, warn: note, fatal: note };

beforeEach(() => {
  log = [];
  events = new EventEmitter();
});

function create(steps: readonly ShutdownStep[]): Lifecycle {
  const control = {
    events,
    exit: (code: number) => void log.push(`exit ${code}`),
    kill: () => void log.push('kill'),
  };
  return createLifecycle({ logger, control, steps });
}

function step(name: string, run: () => Promise<void> = async () => void log.push(name)): ShutdownStep {
  return { name, deadlineMs: 10_000, run };
}

describe('createLifecycle', () => {
  it('runs the steps in order, aborts its signal first and exits with the code', async () => {
    const seen: boolean[] = [];
    const lifecycle = create([
      step('one', async () => void seen.push(lifecycle.signal.aborted)),
      step('two'),
      step('three'),
    ]);
    await lifecycle.shutdown('test', 3);
    expect(seen).toEqual([true]);
    expect(log).toEqual(['shutdown.started', 'two', 'three', 'shutdown.finished', 'exit 3']);
  });

  it('runs the steps once however often it is asked', async () => {
    const lifecycle = create([step('one')]);
    await Promise.all([lifecycle.shutdown('a', 0), lifecycle.shutdown('b', 1)]);
    expect(log.filter((line) => line === 'one')).toHaveLength(1);
    expect(log.at(-1)).toBe('exit 0');
  });

  it('goes on after a step that fails', async () => {
    const failing = step('one', () => Promise.reject(new Error('no')));
    const lifecycle = create([failing, step('two')]);
    await lifecycle.shutdown('test', 0);
    expect(log).toEqual(['shutdown.started', 'shutdown.failed', 'two', 'shutdown.finished', 'exit 0']);
  });

  it('goes on after a step that hangs, and kills the process at the end', async () => {
    const hanging = { ...step('one', () => new Promise<void>(() => undefined)), deadlineMs: 1 };
    const lifecycle = create([hanging, step('two')]);
    await lifecycle.shutdown('test', 0);
    expect(log).toEqual(['shutdown.started', 'shutdown.late', 'two', 'shutdown.finished', 'kill']);
  });

  it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    'starts on %s and takes its echo for the same wish',
    async (name) => {
      const lifecycle = create([step('one')]);
      events.emit(name, name);
      events.emit(name, name);
      await eventually(() => expect(log.at(-1)).toBe('exit 0'));
      expect(log.filter((line) => line === 'kill')).toEqual([]);
      expect(lifecycle.signal.aborted).toBe(true);
    },
  );

  it.each(['uncaughtException', 'unhandledRejection'])('ends with 1 after an %s', async (name) => {
    create([step('one')]);
    events.emit(name, new Error('bug'));
    await eventually(() => expect(log.at(-1)).toBe('exit 1'));
    expect(log).toEqual(['process.failed', 'shutdown.started', 'one', 'shutdown.finished', 'exit 1']);
  });
});
