import { describe, expect, it } from 'vitest';
import { problemKinds, toProblem } from '../../api/problem.ts';
import { type DomainErrorOptions, domainError, type ErrorCode, errorCodes } from '../../domain/errors.ts';

const context = { instance: '/folders/x', requestId: 'request-1', pathPrefix: '' };

function problemOf(error: unknown, at = context) {
  const problem = toProblem(error, at);
  return { ...problem, json: JSON.parse(problem.body) };
}

function refusal(code: ErrorCode, options: DomainErrorOptions = {}) {
  return problemOf(domainError(code, 'What the thrower says.', options));
}

describe('toProblem', () => {
  it.each(errorCodes)('gives %s a complete RFC 9457 body', (code) => {
    const { status, headers, json } = refusal(code);
    const shown = code === 'permission_denied' ? 'not_found' : code;
    expect(headers['Content-Type']).toBe('application/problem+json');
    expect(status).toBe(problemKinds[code].status);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(json).toMatchObject({
      type: `/problems/${shown}`,
      title: expect.stringMatching(/\w/),
      status,
      detail: expect.stringMatching(/\w/),
      instance: '/folders/x',
      code: shown,
    });
  });

  it.each([
    ['folder_limit_reached', 406],
    ['quota_exceeded', 507],
    ['volume_full', 507],
    ['entry_conflict', 400],
    ['directory_not_recursive', 400],
    ['entry_not_regular', 400],
    ['folder_name_taken', 400],
    ['name_invalid', 400],
    ['path_busy', 409],
    ['folder_mounted', 409],
    ['method_not_allowed', 405],
    ['media_type_unsupported', 415],
    ['body_too_large', 413],
    ['rate_limited', 429],
    ['admin_required', 403],
    ['permission_denied', 404],
    ['auth_required', 401],
    ['auth_failed', 401],
    ['auth_invalid', 400],
    ['volume_unavailable', 503],
  ] as const)('answers %s with %i', (code, status) => {
    expect(refusal(code).status).toBe(status);
  });

  it('answers missing and forbidden with the same bytes, whatever was said and whoever asks', () => {
    const missing = toProblem(
      domainError('not_found', 'No folder "secret".', { extra: { name: 'secret' } }),
      context,
    );
    const forbidden = toProblem(domainError('permission_denied', 'You are a reader.'), {
      ...context,
      requestId: 'request-2',
    });
    expect(forbidden).toEqual(missing);
    expect(missing.body).not.toMatch(/secret|request-/);
  });

  it('shows the numbers of a quota and cannot be made to overwrite its own members by them', () => {
    const extra = { limit: 10, used: 8, reserved: 1, requested: 5, status: 200, code: 'fine' };
    const { json } = refusal('quota_exceeded', { extra });
    expect(json).toMatchObject({ limit: 10, used: 8, reserved: 1, requested: 5, status: 507 });
    expect(json.code).toBe('quota_exceeded');
  });

  it('answers 413 when more is asked for than the limit could ever hold', () => {
    expect(
      refusal('quota_exceeded', { extra: { limit: 10, used: 0, reserved: 0, requested: 11 } }).status,
    ).toBe(413);
    expect(
      refusal('quota_exceeded', { extra: { limit: 10, used: 1, reserved: 0, requested: 10 } }).status,
    ).toBe(507);
  });

  it('lists the complaints of a validation', () => {
    const errors = [{ pointer: '/name', detail: 'Too long.' }];
    expect(refusal('request_malformed', { errors }).json.errors).toEqual(errors);
  });

  it('challenges on 401 without offering Basic, for which browsers would ask', () => {
    const challenge = refusal('auth_failed').headers['WWW-Authenticate'];
    expect(challenge).toMatch(/^BackendAI /);
    expect(challenge).not.toMatch(/basic/i);
  });

  it.each(['path_busy', 'service_unavailable', 'volume_unavailable'] as const)(
    'says when to retry %s',
    (code) => {
      expect(Number(refusal(code).headers['Retry-After'])).toBeGreaterThan(0);
    },
  );

  it.each([
    new Error('ENOENT /srv/volumes/f/aa'),
    new TypeError('x is undefined'),
    domainError('internal', 'The key /etc/key is wrong.', { cause: new Error('/etc/key') }),
    'a thrown text about /etc/passwd',
    undefined,
  ])('says nothing about the fault behind %s', (error) => {
    const { status, body } = problemOf(error);
    expect(status).toBe(500);
    expect(body).not.toMatch(/ENOENT|volumes|undefined|etc/);
  });

  it.each([
    'ECONNREFUSED',
    'CONNECTION_ENDED',
    'CONNECT_TIMEOUT',
    '57P01',
    '08006',
    '08003',
    '53300',
    '40P01',
  ])('takes %s, however deep it is buried, for an outage: 503 with Retry-After', (code) => {
    const cause = Object.assign(new Error('connect 10.0.0.1'), { code });
    const query = new Error('Failed query: select 1\nparams: secret', {
      cause: new Error('outer', { cause }),
    });
    const { status, headers, body } = problemOf(query);
    expect(status).toBe(503);
    expect(Number(headers['Retry-After'])).toBeGreaterThan(0);
    expect(body).not.toMatch(/10\.0|secret|select/);
  });

  it.each(['23505', '42P01', '22021', 'ENOENT', 'EACCES'])('takes %s for a fault of ours: 500', (code) => {
    expect(problemOf(Object.assign(new Error('x'), { code })).status).toBe(500);
  });

  it('ends on a cycle of causes', () => {
    const first = new Error('first');
    first.cause = new Error('second', { cause: first });
    expect(problemOf(first).status).toBe(500);
  });
});
