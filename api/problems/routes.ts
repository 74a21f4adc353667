import { createHash } from 'node:crypto';
import { z } from 'zod';
import { domainError, type ErrorCode, errorCodes } from '../../domain/errors.ts';
import { acceptsExactly } from '../http/accept.ts';
import { pathPrefixOf } from '../http/public-path.ts';
import { codes, markup } from '../openapi/markup.ts';
import { problemKinds, problemPath } from '../problem.ts';
import { defineRoute, type Route } from '../route.ts';
import { problemTexts } from './texts.ts';

const style = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 42rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere }
`;
const styleDigest = createHash('sha256').update(style).digest('base64');
/** The page has this one style. It loads nothing, from here or elsewhere, and runs no script. */
const policy = `default-src 'none'; style-src 'sha256-${styleDigest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

/** Texts change with versions only, so anybody may keep one for an hour. */
const cacheHeaders = { 'Cache-Control': 'public, max-age=3600', Vary: 'Accept' } as const;

const problemText = z
  .object({
    type: z.string(),
    code: z.enum(errorCodes),
    title: z.string(),
    status: z.int(),
    meaning: z.string(),
    mend: z.string(),
  })
  .meta({ id: 'ProblemText' });

/** @throws not_found when there is no such code */
function parseCode(given: string | undefined): ErrorCode {
  const code = errorCodes.find((one) => one === given);
  if (code === undefined) throw domainError('not_found', 'There is no such code.');
  return code;
}

function pageOf(code: ErrorCode): string {
  const { status, title } = problemKinds[code];
  const { meaning, mend } = problemTexts[code];
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${code}</title>
<style>${{ html: style }}</style>
</head>
<body>
<h1>${title}</h1>
<p><code>${code}</code>, status ${status}</p>
<p>${codes(meaning)}</p>
<h2>Mend</h2>
<p>${codes(mend)}</p>
</body>
</html>
`.html;
}

/** What a code means and what to do about it: where the `type` of every problem leads. As a page for who asks for HTML. */
const getProblem = defineRoute({
  method: 'GET',
  path: '/problems/:code',
  access: 'public',
  right: null,
  body: 'json',
  input: z.object({}),
  answers: { 200: { media: ['text/html'], json: problemText } },
  doc: {
    tag: 'Service',
    id: 'getProblem',
    summary: 'See what a code of a problem means',
    refusals: ['not_found'],
  },
  handle: async ({ params, headers, outgoing, services }) => {
    const code = parseCode(params.code);
    if (!acceptsExactly(headers.accept, 'text/html')) {
      const { status, title } = problemKinds[code];
      const type = problemPath(code, pathPrefixOf(services.publicUrl));
      return {
        status: 200,
        headers: cacheHeaders,
        body: { type, code, title, status, ...problemTexts[code] },
      };
    }
    const bytes = Buffer.from(pageOf(code));
    outgoing.writeHead(200, {
      ...cacheHeaders,
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Length': bytes.length,
      'Content-Security-Policy': policy,
    });
    outgoing.end(bytes);
    return 'sent';
  },
});

/** Routes that explain refusals. */
export const problemRoutes: readonly Route[] = [getProblem];
