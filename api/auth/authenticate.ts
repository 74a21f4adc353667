import { createHash } from 'node:crypto';
import { noteSignature } from '../../db/queries/seen-signatures.ts';
import { domainError } from '../../domain/errors.ts';
import {
  contentSkewMsMax,
  emptyBodyHash,
  type SignedRequest,
  signRequest,
  signsBody,
  skewMsMax,
} from '../../domain/signature.ts';
import { parseSignedDate } from '../../domain/signed-date.ts';
import { mediaTypeOf } from '../http/body.ts';
import { readContentDigest } from '../http/content-digest.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Principal } from '../route.ts';
import type { Services } from '../services.ts';
import { type Claim, parseAuthorization } from './authorization.ts';
import { makeKeypairCheck, type Proof } from './prove-keypair.ts';
import { isSameSecret } from './same-secret.ts';
import { findSessionPrincipal, requireNoOtherSite } from './session.ts';
import { principalOfToken } from './token-principal.ts';

/** What authentication depends on besides the request. */
export interface AuthenticatorOptions {
  readonly services: Pick<Services, 'db' | 'secrets' | 'publicUrl'>;
  /** Accept `Basic` over connections that others can read. */
  readonly allowPlainSecrets: boolean;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/**
 * Finds out who a request acts for; `readBody` is called only when the signature covers the body.
 * A browser that signed in is known by its session cookie.
 * @throws auth_required, auth_invalid (malformed, skewed date, plain secret in the open), auth_failed, request_replayed,
 *   origin_refused
 */
export type Authenticate = (exchange: Exchange, readBody: () => Promise<Buffer>) => Promise<Principal>;

function invalid(detail: string): never {
  throw domainError('auth_invalid', detail);
}

function headerOf(exchange: Exchange, name: string): string | undefined {
  const value = exchange.incoming.headers[name];
  return typeof value === 'string' ? value : undefined;
}

function readDate(
  exchange: Exchange,
  { now, skewMs }: { readonly now: number; readonly skewMs: number },
): { readonly text: string; readonly dayKey: string } {
  const names = ['date', 'x-backendai-date', 'x-sorna-date'];
  const text = names.map((name) => headerOf(exchange, name)).find((value) => value !== undefined);
  if (text === undefined) invalid('A signed request needs a Date or X-BackendAI-Date header.');
  const date = parseSignedDate(text, new Date(now).getUTCFullYear());
  if (date === undefined) invalid('The date of the request cannot be read.');
  if (Math.abs(date.epochMs - now) >= skewMs) {
    invalid(
      `The date of the request is ${skewMs / 60_000} minutes or more away from the clock of the service.`,
    );
  }
  return { text, dayKey: date.dayKey };
}

function readVersion(exchange: Exchange): Pick<SignedRequest, 'version' | 'versionHeader'> {
  const version = headerOf(exchange, 'x-backendai-version');
  const legacy = headerOf(exchange, 'x-sorna-version');
  if (version === undefined && legacy !== undefined) {
    return { versionHeader: 'x-sorna-version', version: legacy };
  }
  return { versionHeader: 'x-backendai-version', version: version ?? '' };
}

interface ProofOptions {
  readonly now: number;
  readonly contentSha256: string | undefined;
  readonly readBody: () => Promise<Buffer>;
}

// A digest that is sent along stands for the body; it is compared with what arrives before anything takes effect.
async function readBodyHash(isSigned: boolean, { contentSha256, readBody }: ProofOptions): Promise<string> {
  if (!isSigned) return emptyBodyHash;
  if (contentSha256 !== undefined) return contentSha256;
  return createHash('sha256')
    .update(await readBody())
    .digest('hex');
}

async function signatureProof(
  claim: Claim & { scheme: 'signature' },
  exchange: Exchange,
  options: ProofOptions,
): Promise<Proof> {
  const { now, contentSha256 } = options;
  const date = readDate(exchange, {
    now,
    skewMs: contentSha256 === undefined ? skewMsMax : contentSkewMsMax,
  });
  const version = readVersion(exchange);
  // Published servers take a request without a type for this one.
  const contentType = mediaTypeOf(exchange.incoming.headers) || 'application/octet-stream';
  const request: SignedRequest = {
    method: exchange.method,
    target: exchange.target?.raw ?? '',
    date: date.text,
    host: headerOf(exchange, 'host') ?? '',
    contentType,
    ...version,
    bodyHash: await readBodyHash(signsBody(version.version, contentType), options),
    contentSha256,
  };
  const { pathPrefix } = exchange;
  // Behind a proxy that takes a prefix away, some clients sign what they send, others what arrives.
  const targets = pathPrefix === '' ? [request.target] : [`${pathPrefix}${request.target}`, request.target];
  return {
    accessKey: claim.accessKey,
    isMadeWith: (secret) =>
      targets.some((target) =>
        isSameSecret(signRequest({ ...request, target }, { secret, dayKey: date.dayKey }), claim.signature),
      ),
  };
}

/** A signature that covers the content stands for one change, not for as many as somebody sends it again. */
async function requireUnseen(
  services: Pick<Services, 'db'>,
  { method, contentSha256 }: Exchange,
  claim: Claim,
): Promise<void> {
  const isChange = method !== 'GET' && method !== 'HEAD';
  if (claim.scheme !== 'signature' || contentSha256 === undefined || !isChange) return;
  const { accessKey, signature } = claim;
  if (await noteSignature(services.db, { accessKey, signature })) return;
  throw domainError('request_replayed', 'A request with this signature was received before; sign it anew.');
}

function basicProof(claim: Claim & { scheme: 'basic' }): Proof {
  return { accessKey: claim.accessKey, isMadeWith: (secret) => isSameSecret(secret, claim.secret) };
}

/** Makes the one authentication that every transport goes through. */
export function createAuthenticator(options: AuthenticatorOptions): Authenticate {
  const byHeader = authenticateByHeader(options);
  return async (exchange, readBody) => {
    exchange.contentSha256 = readContentDigest(exchange.incoming.headers, 'auth_invalid');
    const isHeaderGiven = exchange.incoming.headers.authorization !== undefined;
    const signedIn = isHeaderGiven ? null : await findSessionPrincipal(options.services, exchange);
    return signedIn ?? byHeader(exchange, readBody);
  };
}

function authenticateByHeader({ services, allowPlainSecrets, now }: AuthenticatorOptions): Authenticate {
  const check = makeKeypairCheck(services);
  return async (exchange, readBody) => {
    const claim = parseAuthorization(exchange.incoming.headers.authorization);
    if (claim.scheme !== 'signature' && !allowPlainSecrets && !exchange.peer.isConfidential) {
      invalid('Basic credentials and tokens are only accepted over TLS; sign the request instead.');
    }
    if (claim.scheme === 'basic' && exchange.method !== 'GET' && exchange.method !== 'HEAD') {
      requireNoOtherSite(exchange.incoming.headers, services.publicUrl);
    }
    if (claim.scheme === 'token') return await principalOfToken(services, claim.token);
    const { contentSha256 } = exchange;
    const proof =
      claim.scheme === 'basic'
        ? basicProof(claim)
        : await signatureProof(claim, exchange, { now: now(), contentSha256, readBody });
    const { userId, email, role, accessKey, requestsMax } = await check(proof);
    await requireUnseen(services, exchange, claim);
    return { userId, email, role, accessKey, requestsMax };
  };
}
