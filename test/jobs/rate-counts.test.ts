import { expect, it } from 'vitest';
import { deleteRateCounts } from '../../db/queries/rate-counts.ts';
import { openRateCounts } from '../../jobs/rate-counts.ts';
import { describeEachBackend } from '../support/backends.ts';
import { eventually } from '../support/eventually.ts';

const logger = {
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  debug: () => undefined,
};

describeEachBackend('shared rate counts', (backend) => {
  const open = () => openRateCounts({ db: backend.database.db, redisUrl: backend.redisUrl, logger });

  it('add up what several processes counted at the same time', async () => {
    const stores = [open(), open(), open()];
    const keys = Array.from({ length: 50 }, (_, index) => `key:${index}`);
    try {
      // A store that is not connected yet refuses at once; the tally tries again.
      for (const store of stores) await eventually(() => store.add([{ key: 'first', span: 7, count: 1 }]));
      await stores[0]?.add([{ key: 'key:0', span: 6, count: 5 }]);
      await Promise.all(
        stores.flatMap((store, index) =>
          [1, 2, 3].map(() => {
            const mixed = index % 2 === 0 ? keys : keys.toReversed();
            return store.add(mixed.map((key) => ({ key, span: 7, count: 2 })));
          }),
        ),
      );
      const totals = await stores[0]?.add([{ key: 'key:0', span: 7, count: 1 }]);
      expect(totals).toEqual([{ key: 'key:0', span: 7, current: 19, previous: 5 }]);
      await deleteRateCounts(backend.database.db, 7);
    } finally {
      for (const store of stores) await store.close();
    }
  });
});
