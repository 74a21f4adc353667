import type { ErrorCode } from '../../domain/errors.ts';
import { statusesOf } from '../problem.ts';
import { isNamedChange, type Route } from '../route.ts';

const always = [
  'request_malformed',
  'headers_too_large',
  'rate_limited',
  'requests_busy',
  'internal',
] as const;
const ofJsonBody = [
  'media_type_unsupported',
  'body_too_large',
  'request_timeout',
  'upload_aborted',
  'digest_mismatch',
] as const;
const ofStreamedBody = ['media_type_unsupported', 'upload_aborted', 'digest_mismatch'] as const;
const behindKeys = [
  'auth_required',
  'auth_invalid',
  'auth_failed',
  'scope_missing',
  'service_unavailable',
] as const;
const ofGuards = ['origin_refused', 'request_replayed'] as const;
const ofChanges = ['idempotency_in_flight', 'idempotency_key_reused'] as const;

/** Whether a browser's session has to come from a page of ours, and a signature of the content may come once. */
function isGuarded({ method, access }: Route): boolean {
  return method !== 'GET' && method !== 'HEAD' && access !== 'public';
}

/** Every code that a route can refuse with: those of its access, right, method and body, and those it names. */
export function refusalsOf(route: Route): ReadonlySet<ErrorCode> {
  return new Set<ErrorCode>([
    ...always,
    ...(route.body === 'json' ? ofJsonBody : ofStreamedBody),
    ...(route.access === 'public' ? [] : behindKeys),
    ...(route.access === 'admin' ? (['admin_required'] as const) : []),
    ...(isGuarded(route) ? ofGuards : []),
    ...(isNamedChange(route) ? ofChanges : []),
    ...(route.right === null ? [] : (['not_found'] as const)),
    ...(route.doc.refusals ?? []),
  ]);
}

/** The codes that a route can refuse with, by status. */
export function refusalsByStatus(route: Route): ReadonlyMap<number, readonly ErrorCode[]> {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of refusalsOf(route)) {
    for (const status of statusesOf(code)) byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return byStatus;
}
