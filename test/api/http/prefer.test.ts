import { expect, it } from 'vitest';
import { parsePrefer, waitMsMax } from '../../../api/http/prefer.ts';

it.each([
  [undefined, false, undefined],
  ['respond-async', true, undefined],
  ['Respond-Async, wait=5', true, 5_000],
  ['wait=0', false, 0],
  ['wait="7"; x=y', false, 7_000],
  ['wait=1, wait=2', false, 1_000],
  ['return=minimal', false, undefined],
  ['wait=soon, wait=-1, wait=', false, undefined],
  ['wait=999999999', false, waitMsMax],
  [['respond-async', 'wait=3'], true, 3_000],
])('reads Prefer: %j', (header, respondAsync, waitMs) => {
  expect(parsePrefer(header)).toEqual({ respondAsync, waitMs });
});
