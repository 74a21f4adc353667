import { expect, it } from 'vitest';
import { z } from 'zod';
import { validateInput } from '../../../api/http/schema.ts';
import { DomainError } from '../../../domain/errors.ts';

function complaintsOf(act: () => unknown): readonly { readonly pointer: string }[] {
  try {
    act();
  } catch (error) {
    if (error instanceof DomainError) return error.errors;
    throw error;
  }
  throw new Error('Nothing was refused.');
}

it('points at what is wrong', () => {
  const schema = z.object({ list: z.array(z.string()), name: z.string() });
  const complaints = complaintsOf(() => validateInput(schema, { list: ['a', 1], name: 2 }, new Map()));
  expect(complaints.map(({ pointer }) => pointer)).toEqual(['/list/1', '/name']);
});

it('tells of the first hundred of any number of wrong items', () => {
  const schema = z.object({ list: z.array(z.string()) });
  const complaints = complaintsOf(() => validateInput(schema, { list: Array(500_000).fill(1) }, new Map()));
  expect(complaints.length).toBe(100);
  expect(complaints[99]?.pointer).toBe('/list/99');
});

it('says what is missing, and of several forms what is wrong with the one that was meant', () => {
  const schema = z.object({ name: z.string(), path: z.union([z.string(), z.array(z.string()).max(2)]) });
  const complain = (body: Record<string, unknown>) =>
    complaintsOf(() => validateInput(schema, body, new Map()));
  expect(complain({})).toEqual([
    { pointer: '/name', detail: 'is missing' },
    { pointer: '/path', detail: 'is missing' },
  ]);
  expect(complain({ name: '', path: ['a', 'b', 'c'] })).toEqual([
    { pointer: '/path', detail: expect.stringContaining('<=2') },
  ]);
  expect(complain({ name: '', path: ['a', 1] })).toEqual([
    { pointer: '/path/1', detail: expect.stringContaining('expected string') },
  ]);
  expect(complain({ name: '', path: 1 })).toMatchObject([{ pointer: '/path' }]);
});
