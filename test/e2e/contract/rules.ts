import { expect } from 'vitest';
import type { Answer } from '../support/http-client.ts';
import { textAt } from '../support/json.ts';

const requestIdForm = /^[A-Za-z0-9._-]{8,64}$/;

/** Statuses that mean a fault of the service; 507 is a quota, a refusal like any other. */
function isFault(status: number): boolean {
  return status >= 500 && status !== 507;
}

function checkProblem(path: string, answer: Answer): void {
  expect(answer.headers['content-type']).toBe('application/problem+json');
  expect(answer.json).toMatchObject({
    type: expect.stringMatching(/^\/problems\/[a-z_]+$/),
    title: expect.stringMatching(/^[A-Z]/),
    status: answer.status,
    detail: expect.stringMatching(/\S/),
    instance: expect.any(String),
    code: expect.stringMatching(/^[a-z_]+$/),
  });
  // A target that cannot be read names nothing, and no problem the token of a link.
  const instance = path.split('?')[0]?.replace(/^\/l\/[^/]*/, '/l/:token');
  expect(['', instance]).toContain(textAt(answer.json, 'instance'));
  expect(textAt(answer.json, 'type')).toBe(`/problems/${textAt(answer.json, 'code')}`);
}

/**
 * What holds for every answer: no fault, a request id, the rate limit, no sniffing of types, a length for JSON, and
 * for refusals a problem of RFC 9457 with our members.
 */
export function checkEveryAnswer(method: string, path: string, answer: Answer): void {
  const { headers, status } = answer;
  expect(isFault(status), `${method} ${path} answers ${status}: ${answer.text}`).toBe(false);
  expect(headers['x-request-id']).toMatch(requestIdForm);
  expect(Number(headers['x-ratelimit-limit'])).toBeGreaterThan(0);
  expect(Number(headers['x-ratelimit-remaining'])).toBeGreaterThanOrEqual(0);
  expect(headers['x-ratelimit-window']).toBe('900');
  expect(headers['x-content-type-options']).toBe('nosniff');
  if (status >= 400 && method !== 'HEAD') checkProblem(path, answer);
  if (status === 204) expect(answer.bytes).toHaveLength(0);
}

/** Expects a refusal with this status and code; the rest of its shape is checked for every answer already. */
export function expectProblem(answer: Answer, status: number, code: string): void {
  expect({
    status: answer.status,
    code: Reflect.get(Object(answer.json), 'code'),
    text: answer.text,
  }).toEqual({
    status,
    code,
    text: answer.text,
  });
}

/** Expects a success and shows the problem when there is one instead. */
export function expectStatus(answer: Answer, status: number): void {
  expect(answer.status, answer.text.slice(0, 500)).toBe(status);
}

/** An ISO 8601 time in UTC, as `toISOString` writes it. */
export const isoTime = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
/** A dashed lower-case uuid. */
export const uuid = expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
/** A folder id. */
export const hexId = expect.stringMatching(/^[0-9a-f]{32}$/);
