import { expect, it } from 'vitest';
import { domainError } from '../../domain/errors.ts';
import { withFaults } from './faulty-volume.ts';
import { at, codeOf, openTestVolume } from './test-volume.ts';
import { describeVolumeContract } from './volume-contract.ts';

const options = { parents: true, existOk: true };

describeVolumeContract('a faulty volume without faults', async () => {
  const test = await openTestVolume();
  return { ...test, volume: withFaults(test.volume, []).volume };
});

it('fails the chosen call only, before or after its effect', async () => {
  const test = await openTestVolume();
  try {
    const error = domainError('volume_unavailable', 'Planned.');
    const { volume, struck } = withFaults(test.volume, [
      { verb: 'makeDirectory', nth: 2, error },
      { verb: 'makeDirectory', nth: 3, error, isAfterEffect: true },
    ]);
    const make = (name: string): Promise<string> =>
      codeOf(volume.makeDirectory(test.folderId, at(name), options));
    expect([await make('a'), await make('b'), await make('c'), await make('d')]).toEqual([
      'resolved',
      'volume_unavailable',
      'volume_unavailable',
      'resolved',
    ]);
    const { entries } = await volume.list(test.folderId, at(''), { limit: 10 });
    expect(entries.map(({ name }) => name).sort()).toEqual(['a', 'c', 'd']);
    expect(struck).toHaveLength(2);
  } finally {
    await test.close();
  }
});
