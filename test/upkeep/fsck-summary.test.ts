import { expect, it } from 'vitest';
import { describeFsck } from '../../upkeep/fsck/print.ts';
import { countFinding, emptyTally } from '../../upkeep/fsck/run-fsck.ts';

it('what was found is what was mended, what mended itself and what is left; notes are counted apart', () => {
  const tally = emptyTally();
  countFinding(tally, 'fault', 'fixed');
  countFinding(tally, 'fault', 'fixed');
  countFinding(tally, 'fault', 'left');
  countFinding(tally, 'fault', 'gone');
  countFinding(tally, 'note', 'fixed');
  countFinding(tally, 'note', 'left');
  expect(tally).toMatchObject({ faults: 4, fixed: 2, gone: 1, left: 1, notes: 2, fixed_notes: 1 });
  expect(describeFsck(tally)).toBe(
    '0 folders checked, 4 found, 2 mended, 1 well by now, 1 left, 2 notes (1 of them dealt with).',
  );
});
