import { describe, expect, it } from 'vitest';
import { isLike } from '../../../../api/clients/graphql/like.ts';

describe('isLike', () => {
  it.each([
    ['', '', true],
    ['', '%', true],
    ['a', '', false],
    ['abc', 'abc', true],
    ['abc', 'a%', true],
    ['abc', '%c', true],
    ['abc', '%b%', true],
    ['abc', 'a_c', true],
    ['abc', 'a__c', false],
    ['abc', '%%%', true],
    ['abcabd', '%ab_d', false],
    ['abcabd', '%abd', true],
    ['a.c', 'a.c', true],
    ['abc', 'a.c', false],
    ['데이터', '데_터', true],
  ])('takes %j against %j for %s', (text, pattern, outcome) => {
    expect(isLike(text, pattern)).toBe(outcome);
  });

  it('needs no more than the product of both lengths', () => {
    expect(isLike('a'.repeat(10_000), `${'%a'.repeat(1_000)}b`)).toBe(false);
  });
});
