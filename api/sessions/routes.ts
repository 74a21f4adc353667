import { z } from 'zod';
import { isDomainError } from '../../domain/errors.ts';
import { readSessionToken, requireSameOrigin, sessionCookieName } from '../auth/session.ts';
import { readBytes } from '../http/body.ts';
import { type ApiRequest, defineRoute, type Route } from '../route.ts';
import { sessionHours, signIn, signOut } from './operations.ts';
import { signInPage, signInPolicy } from './page.ts';

const home = '/admin/queues';
const formBytesMax = 8 * 1024;
const formMsMax = 10_000;
const page = { media: ['text/html'] } as const;

/** Only a path of this service; anything else would make us a way to send people elsewhere. */
function localPath(to: string | null | undefined): string {
  return to !== null && to !== undefined && /^\/(?![/\\])[\x21-\x7e]{0,1000}$/.test(to) ? to : home;
}

function sendPage(
  { outgoing }: Pick<ApiRequest<object>, 'outgoing'>,
  page: { readonly status: number; readonly html: string },
): 'sent' {
  outgoing.writeHead(page.status, {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Length': Buffer.byteLength(page.html),
    'Content-Security-Policy': signInPolicy,
    // Without a referrer a form has no origin either, and browsers on plain HTTP say nothing else of where it comes from.
    'Referrer-Policy': 'same-origin',
  });
  outgoing.end(page.html);
  return 'sent';
}

function cookie(request: Pick<ApiRequest<object>, 'baseUrl'>, value: string): string {
  // On the machine itself plain HTTP is confidential as well, but browsers keep `Secure` cookies for TLS.
  const secure = request.baseUrl.startsWith('https:') ? '; Secure' : '';
  const maxAge = value === '' ? 0 : sessionHours * 3600;
  return `${sessionCookieName}=${value}; Path=/; Max-Age=${maxAge}; HttpOnly; SameSite=Strict${secure}`;
}

const showSignIn = defineRoute({
  method: 'GET',
  path: '/sign-in',
  access: 'public',
  right: null,
  body: 'json',
  input: z.object({ to: z.string().optional() }),
  answers: { 200: page },
  doc: { tag: 'Account', id: 'showSignIn', summary: 'Show the sign-in page', isForPeople: true },
  handle: async (request) => {
    return sendPage(request, { status: 200, html: signInPage({ to: localPath(request.input.to) }) });
  },
});

async function readForm(request: ApiRequest<object>): Promise<URLSearchParams> {
  const bytes = await readBytes(request.incoming, { bytesMax: formBytesMax, arrivalMsMax: formMsMax });
  return new URLSearchParams(bytes.toString('utf8'));
}

async function handleSignIn(request: ApiRequest<object>) {
  requireSameOrigin(request.headers, request.services.publicUrl);
  const form = await readForm(request);
  const to = localPath(form.get('to'));
  const keypair = { accessKey: form.get('access_key') ?? '', secretKey: form.get('secret_key') ?? '' };
  if (!request.isConfidential) {
    const failure = 'Keys are only accepted over TLS.';
    return sendPage(request, { status: 400, html: signInPage({ to, failure }) });
  }
  let token: string;
  try {
    token = await signIn(request.services, { ...keypair, requestId: request.requestId });
  } catch (error) {
    if (!isDomainError(error, 'auth_failed')) throw error;
    const failure = 'The access key or its secret is not accepted.';
    return sendPage(request, { status: 401, html: signInPage({ to, failure }) });
  }
  return { status: 303, headers: { Location: to, 'Set-Cookie': cookie(request, token) } } as const;
}

const postSignIn = defineRoute({
  method: 'POST',
  path: '/sign-in',
  access: 'public',
  right: null,
  body: 'stream',
  input: z.object({}),
  answers: { 303: null, 400: page, 401: page },
  doc: {
    tag: 'Account',
    id: 'signIn',
    isForPeople: true,
    summary: 'Sign in with a browser',
    refusals: ['origin_refused', 'body_too_large', 'request_timeout', 'upload_aborted'],
  },
  handle: handleSignIn,
});

const postSignOut = defineRoute({
  method: 'POST',
  path: '/sign-out',
  access: 'public',
  right: null,
  body: 'stream',
  input: z.object({}),
  answers: { 303: null },
  doc: {
    tag: 'Account',
    id: 'signOut',
    isForPeople: true,
    summary: 'Sign out with a browser',
    refusals: ['origin_refused'],
  },
  handle: async (request) => {
    requireSameOrigin(request.headers, request.services.publicUrl);
    await signOut(request.services, readSessionToken(request.headers));
    return { status: 303, headers: { Location: '/sign-in', 'Set-Cookie': cookie(request, '') } };
  },
});

/** Signing in and out with a browser. */
export const sessionRoutes: readonly Route[] = [showSignIn, postSignIn, postSignOut];
