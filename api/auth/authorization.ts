import { apiTokenForm } from '../../domain/api-token.ts';
import { domainError } from '../../domain/errors.ts';

/** What an `Authorization` header claims, not yet checked. */
export type Claim =
  | { readonly scheme: 'signature'; readonly accessKey: string; readonly signature: string }
  | { readonly scheme: 'basic'; readonly accessKey: string; readonly secret: string }
  | { readonly scheme: 'token'; readonly token: string };

function invalid(detail: string): never {
  throw domainError('auth_invalid', detail);
}

// Parameters are split at commas, then at the first "=", as every published server does.
function readParameters(text: string): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  for (const item of text.split(',')) {
    const mark = item.indexOf('=');
    if (mark === -1) invalid('A parameter of Authorization has no value.');
    const name = item.slice(0, mark).trim().toLowerCase();
    if (parameters.has(name)) invalid('A parameter of Authorization is given twice.');
    parameters.set(name, item.slice(mark + 1).trim());
  }
  return parameters;
}

function readSignature(text: string): Claim {
  const parameters = readParameters(text);
  if (parameters.get('signmethod')?.toUpperCase() !== 'HMAC-SHA256') {
    invalid('The only signMethod is HMAC-SHA256.');
  }
  const credential = parameters.get('credential') ?? '';
  const mark = credential.indexOf(':');
  if (mark < 1) invalid('The credential must be <access key>:<signature>.');
  return {
    scheme: 'signature',
    accessKey: credential.slice(0, mark),
    signature: credential.slice(mark + 1),
  };
}

// RFC 7617: the user name ends at the first colon.
function readBasic(text: string): Claim {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) invalid('Basic credentials must be base64.');
  const decoded = Buffer.from(text, 'base64').toString('utf8');
  const mark = decoded.indexOf(':');
  if (mark < 1) invalid('Basic credentials must be <access key>:<secret key>.');
  return { scheme: 'basic', accessKey: decoded.slice(0, mark), secret: decoded.slice(mark + 1) };
}

// Programs that only know user name and password send a token as the password; the name says nothing then.
function asToken(claim: Claim): Claim {
  const isToken = claim.scheme === 'basic' && apiTokenForm.isFormOf(claim.secret);
  return isToken ? { scheme: 'token', token: claim.secret } : claim;
}

/**
 * Reads an `Authorization` header: the signature scheme (`BackendAI`, of old clients `Sorna`), `Bearer` or `Basic`.
 * @throws auth_required when it is absent or of another scheme, auth_invalid when it is malformed
 */
export function parseAuthorization(header: string | undefined): Claim {
  const [, scheme = '', text = ''] = /^(\S+)\s+(.*)$/.exec(header?.trim() ?? '') ?? [];
  switch (scheme.toLowerCase()) {
    case 'backendai':
    case 'sorna':
      return readSignature(text);
    case 'basic':
      return asToken(readBasic(text.trim()));
    case 'bearer':
      return { scheme: 'token', token: text.trim() };
    default:
      throw domainError('auth_required', 'Sign the request with a keypair, or send a token.');
  }
}
