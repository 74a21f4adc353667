import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { type Credential, findCredential } from '../../db/queries/keypairs.ts';
import { domainError } from '../../domain/errors.ts';
import { emptyBodyHash, type SignedRequest, signRequest, signsBody } from '../../domain/signature.ts';
import { parseSignedDate } from '../../domain/signed-date.ts';
import { mediaTypeOf } from '../http/body.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Principal } from '../route.ts';
import type { Services } from '../services.ts';
import { type Claim, parseAuthorization } from './authorization.ts';

/** How far a signed date may be from the clock; strictly less is accepted. */
export const skewMsMax = 15 * 60_000;

/** What authentication depends on besides the request. */
export interface AuthenticatorOptions {
  readonly services: Pick<Services, 'db' | 'secrets'>;
  /** Accept `Basic` over connections that others can read. */
  readonly allowPlainSecrets: boolean;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/**
 * Finds out who a request acts for; `readBody` is called only when the signature covers the body.
 * @throws auth_required, auth_invalid (malformed, skewed date, plain secret in the open), auth_failed
 */
export type Authenticate = (exchange: Exchange, readBody: () => Promise<Buffer>) => Promise<Principal>;

interface Proof {
  readonly accessKey: string;
  /** Tells whether the proof was made with `secret`; takes as long whether or not it was. */
  isMadeWith(secret: string): boolean;
}

function invalid(detail: string): never {
  throw domainError('auth_invalid', detail);
}

function isSame(left: string, right: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(left), digest(right));
}

function headerOf(exchange: Exchange, name: string): string | undefined {
  const value = exchange.incoming.headers[name];
  return typeof value === 'string' ? value : undefined;
}

function readDate(exchange: Exchange, now: number): { readonly text: string; readonly dayKey: string } {
  const names = ['date', 'x-backendai-date', 'x-sorna-date'];
  const text = names.map((name) => headerOf(exchange, name)).find((value) => value !== undefined);
  if (text === undefined) invalid('A signed request needs a Date or X-BackendAI-Date header.');
  const date = parseSignedDate(text, new Date(now).getUTCFullYear());
  if (date === undefined) invalid('The date of the request cannot be read.');
  if (Math.abs(date.epochMs - now) >= skewMsMax) {
    invalid('The date of the request is 15 minutes or more away from the clock of the service.');
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

async function signatureProof(
  claim: Claim & { scheme: 'signature' },
  exchange: Exchange,
  options: { readonly now: number; readonly readBody: () => Promise<Buffer> },
): Promise<Proof> {
  const date = readDate(exchange, options.now);
  const version = readVersion(exchange);
  // Published servers take a request without a type for this one.
  const contentType = mediaTypeOf(exchange.incoming.headers) || 'application/octet-stream';
  const bodyHash = signsBody(version.version, contentType)
    ? createHash('sha256')
        .update(await options.readBody())
        .digest('hex')
    : emptyBodyHash;
  const request: SignedRequest = {
    method: exchange.method,
    target: exchange.target?.raw ?? '',
    date: date.text,
    host: headerOf(exchange, 'host') ?? '',
    contentType,
    ...version,
    bodyHash,
  };
  return {
    accessKey: claim.accessKey,
    isMadeWith: (secret) => isSame(signRequest(request, { secret, dayKey: date.dayKey }), claim.signature),
  };
}

function basicProof(claim: Claim & { scheme: 'basic' }): Proof {
  return { accessKey: claim.accessKey, isMadeWith: (secret) => isSame(secret, claim.secret) };
}

// Postgres refuses some texts outright (NUL); what cannot be an access key is not looked up.
async function lookUp(services: Pick<Services, 'db'>, accessKey: string): Promise<Credential | null> {
  if (!/^[\x21-\x7e]{1,128}$/.test(accessKey)) return null;
  return findCredential(services.db, accessKey);
}

/**
 * Makes the one authentication that every transport goes through. The keypair and its user are read for each request;
 * an unknown access key costs the same work as a known one and gets the same answer as a wrong signature.
 */
export function createAuthenticator({
  services,
  allowPlainSecrets,
  now,
}: AuthenticatorOptions): Authenticate {
  const decoy = services.secrets.seal(randomBytes(30).toString('base64'));
  return async (exchange, readBody) => {
    const claim = parseAuthorization(exchange.incoming.headers.authorization);
    if (claim.scheme === 'basic' && !allowPlainSecrets && !exchange.peer.isConfidential) {
      invalid('Basic credentials are only accepted over TLS; sign the request instead.');
    }
    const proof =
      claim.scheme === 'basic'
        ? basicProof(claim)
        : await signatureProof(claim, exchange, { now: now(), readBody });
    const credential = await lookUp(services, proof.accessKey);
    const isProven = proof.isMadeWith(services.secrets.open(credential?.secretSealed ?? decoy));
    if (credential === null || !isProven || !credential.isActive) {
      throw domainError('auth_failed', 'The access key or its proof is not accepted.');
    }
    const { userId, email, role, accessKey } = credential;
    return { userId, email, role, accessKey };
  };
}
