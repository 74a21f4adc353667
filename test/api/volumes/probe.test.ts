import { afterEach, beforeEach, expect, it } from 'vitest';
import { probeVolume } from '../../../api/volumes/probe.ts';
import { domainError } from '../../../domain/errors.ts';
import { withCalls, withFaults } from '../../storage/faulty-volume.ts';
import { openTestVolume, type TestVolume } from '../../storage/test-volume.ts';

let stage: TestVolume;

beforeEach(async () => {
  stage = await openTestVolume();
});
afterEach(() => stage.close());

it('asks a volume once, however many want to know', async () => {
  let calls = 0;
  const counting = withCalls(stage.volume, (count) => {
    calls = count;
    return undefined;
  });
  const probes = await Promise.all(Array.from({ length: 20 }, () => probeVolume(counting)));
  probes.push(await probeVolume(counting));
  expect(calls).toBe(1);
  for (const probe of probes) {
    expect(probe).toMatchObject({ lastOkAt: expect.any(Date), lastErrorAt: null, lastError: null });
    expect(probe.capacity?.bytesTotal).toBeGreaterThan(0);
    expect(probe.latencyMs).toBeGreaterThan(0);
  }
});

it('says what a volume failed with, and never where it is', async () => {
  const cause = Object.assign(new Error("EIO: i/o error, statfs '/secret/place'"), {
    code: 'EIO',
    errno: -5,
  });
  const error = domainError('volume_unavailable', 'It fails.', { cause });
  const { volume } = withFaults(stage.volume, [{ verb: 'capacity', nth: 1, error }]);
  expect(await probeVolume(volume)).toEqual({
    capacity: undefined,
    latencyMs: null,
    lastOkAt: null,
    lastErrorAt: expect.any(Date),
    lastError: 'The volume failed with EIO.',
  });
});

it('gives a volume that hangs up after a while, and does not ask it twice', async () => {
  let calls = 0;
  const hung = withCalls(stage.volume, (count) => {
    calls = count;
    return new Promise(() => undefined);
  });
  const [one, other] = await Promise.all([probeVolume(hung), probeVolume(hung)]);
  expect(one).toMatchObject({ capacity: undefined, lastError: 'The volume did not answer within 2 s.' });
  expect(other).toEqual(one);
  expect(calls).toBe(1);
});
