import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { readQuery } from '../../../api/http/query.ts';
import {
  pagingShape,
  queryBoolean,
  queryInteger,
  readPaging,
  stringList,
  validateInput,
} from '../../../api/http/schema.ts';

function read(query: string): Record<string, unknown> {
  return Object.fromEntries(readQuery(query));
}

describe('readQuery', () => {
  it.each([
    ['', {}],
    ['a=1&b=', { a: '1', b: '' }],
    ['a', { a: '' }],
    ['files=a&files=b&files=a', { files: ['a', 'b', 'a'] }],
    ['files[]=a', { files: ['a'] }],
    ['paging[size]=2&paging[index]=1', { paging: { size: '2', index: '1' } }],
    ['paging%5Bsize%5D=2', { paging: { size: '2' } }],
    ['path=a%2Bb+c%20d', { path: 'a+b c d' }],
    ['a=b=c', { a: 'b=c' }],
    ['&&a=1&', { a: '1' }],
  ])('reads %s', (query, expected) => {
    expect(read(query)).toEqual(expected);
  });

  it.each(['a=%', 'a=%zz', '%ff=1', 'a=%00', 'paging=x&paging[size]=1'])('refuses %s', (query) => {
    expect(() => read(query)).toThrowError(expect.objectContaining({ code: 'request_malformed' }));
  });

  it('gives names of prototypes no meaning', () => {
    const input = read('__proto__=1&a[__proto__]=2&constructor=3');
    expect(Object.getPrototypeOf(input)).toBe(Object.prototype);
    expect(Object.keys(input)).toEqual(['__proto__', 'a', 'constructor']);
    expect({}).not.toHaveProperty('polluted');
  });
});

describe('validateInput', () => {
  const schema = z.object({
    files: stringList({ min: 1, max: 3 }),
    recursive: queryBoolean.default(false),
    limit: queryInteger({ min: 1, max: 10 }).optional(),
  });

  it('takes a single value for a list of one and reads numbers and booleans of a query', () => {
    expect(validateInput(schema, {}, readQuery('files=a&recursive=1&limit=7'))).toEqual({
      files: ['a'],
      recursive: true,
      limit: 7,
    });
  });

  it('lets the query win over the body and drops what it does not know', () => {
    const body = { files: ['body'], recursive: true, unknown: {} };
    expect(validateInput(schema, body, readQuery('files=query&more=1'))).toEqual({
      files: ['query'],
      recursive: true,
    });
  });

  it('names each wrong field by an RFC 6901 pointer', () => {
    const inner = z.object({ 'a/b': z.object({ '~c': z.array(z.string()) }) });
    const refusal = () => validateInput(inner, { 'a/b': { '~c': ['x', 5] } }, new Map());
    expect(refusal).toThrowError(
      expect.objectContaining({
        code: 'request_malformed',
        errors: [{ pointer: '/a~1b/~0c/1', detail: expect.any(String) }],
      }),
    );
  });

  it.each([
    'files=a&files=b&files=c&files=d',
    'files=a&limit=0',
    'files=a&limit=1e1',
    'files=a&recursive=maybe',
  ])('refuses %s', (query) => {
    expect(() => validateInput(schema, {}, readQuery(query))).toThrowError(
      expect.objectContaining({ code: 'request_malformed' }),
    );
  });
});

describe('readPaging', () => {
  const paged = z.object({ ...pagingShape });

  it.each([
    ['', undefined, 0],
    ['size=0', undefined, 0],
    ['size=5&index=2', 5, 2],
    ['paging[size]=5&paging[index]=2', 5, 2],
    [`paging=${encodeURIComponent('{"size":5,"index":2}')}`, 5, 2],
  ])('understands ?%s', (query, sizeItems, index) => {
    expect(readPaging(validateInput(paged, {}, readQuery(query)))).toEqual({ sizeItems, index });
  });

  it('understands the object of the documented body', () => {
    const body = { paging: { size: 20, index: 3 } };
    expect(readPaging(validateInput(paged, body, new Map()))).toEqual({ sizeItems: 20, index: 3 });
  });

  it.each(['paging=x', 'paging=[]', 'size=-1', 'index=x', 'paging[size]=-1'])('refuses ?%s', (query) => {
    expect(() => validateInput(paged, {}, readQuery(query))).toThrowError(
      expect.objectContaining({ code: 'request_malformed' }),
    );
  });
});
