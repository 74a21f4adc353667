import { expect, it } from 'vitest';
import { routes } from '../../api/routes.ts';

const contentTypes = ['application/octet-stream', 'application/zip'];

it('has every route that sends content of entries take a place among the transfers', () => {
  const sending = routes.filter(({ answers }) =>
    Object.values(answers).some(
      (answer) =>
        answer !== null && 'media' in answer && contentTypes.some((type) => answer.media.includes(type)),
    ),
  );
  expect(sending.length).toBeGreaterThan(10);
  expect(sending.filter(({ isTransfer }) => isTransfer !== true).map(({ path }) => path)).toEqual([]);
});
