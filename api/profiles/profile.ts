import type { IncomingHttpHeaders } from 'node:http';
import { domainError } from '../../domain/errors.ts';

/** What callers without a version header get: the contract as documented. */
export interface DocumentedProfile {
  readonly name: 'documented';
}

/** What published clients get: the shapes that they read, which differ from the document and by generation. */
export interface ClientProfile {
  readonly name: 'client';
  /** As sent: `v<major>.<yyyymmdd>`. */
  readonly version: string;
  /** How the parts of a multi-file download must be encoded; each generation mistakes the other for content. */
  readonly partEncoding: 'gzip' | 'identity';
  /** Paths may begin with the major version (`/v2/folders`). */
  readonly hasPathPrefix: boolean;
}

/** Whose shapes a request is answered in. Decided here and nowhere else; operations never see it. */
export type Profile = DocumentedProfile | ClientProfile;

/** The profile of a request that says nothing about its sender. */
export const documented: DocumentedProfile = { name: 'documented' };

const versionForm = /^v(\d{1,3})\.(\d{8})$/;
/** From this version on clients take parts as they are, and would save compressed ones as files; before, they unpack. */
const identityPartsSince: readonly [number, number] = [4, 20_190_615];
/** Until this version paths carried the major version. */
const unprefixedSince: readonly [number, number] = [4, 20_181_215];

function isBelow([major, day]: readonly [number, number], bound: readonly [number, number]): boolean {
  return major < bound[0] || (major === bound[0] && day < bound[1]);
}

function headerOf(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/**
 * Reads whose shapes a request wants: published clients send `X-BackendAI-Version` (of old `X-Sorna-Version`),
 * nobody else does.
 * @throws request_malformed when the version is not `v<major>.<yyyymmdd>`
 */
export function readProfile(headers: IncomingHttpHeaders): Profile {
  const version = headerOf(headers, 'x-backendai-version') ?? headerOf(headers, 'x-sorna-version');
  if (version === undefined) return documented;
  const [, major, day] = versionForm.exec(version) ?? [];
  if (major === undefined || day === undefined) {
    throw domainError('request_malformed', 'X-BackendAI-Version must be v<major>.<yyyymmdd>.');
  }
  const dated = [Number(major), Number(day)] as const;
  return {
    name: 'client',
    version,
    partEncoding: isBelow(dated, identityPartsSince) ? 'gzip' : 'identity',
    hasPathPrefix: isBelow(dated, unprefixedSince),
  };
}
