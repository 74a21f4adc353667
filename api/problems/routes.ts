import { z } from 'zod';
import { domainError, type ErrorCode, errorCodes } from '../../domain/errors.ts';
import { acceptsExactly } from '../http/accept.ts';
import { pathPrefixOf } from '../http/public-path.ts';
import { codes, markup } from '../openapi/markup.ts';
import { type StyledPage, sendPage, styledPage } from '../openapi/styled-page.ts';
import { problemKinds, problemPath } from '../problem.ts';
import { defineRoute, type Route } from '../route.ts';
import { problemTexts } from './texts.ts';

const style = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 42rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere }
`;

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

function pageOf(code: ErrorCode): StyledPage {
  const { status, title } = problemKinds[code];
  const { meaning, mend } = problemTexts[code];
  const body = markup`<h1>${title}</h1>
<p><code>${code}</code>, status ${status}</p>
<p>${codes(meaning)}</p>
<h2>Mend</h2>
<p>${codes(mend)}</p>`;
  return styledPage({ title: code, style, body });
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
    return sendPage(outgoing, pageOf(code), cacheHeaders);
  },
});

/** Routes that explain refusals. */
export const problemRoutes: readonly Route[] = [getProblem];
