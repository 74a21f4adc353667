import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { type Markup, markup } from './markup.ts';

/** A page, and what it may do. */
export interface StyledPage {
  readonly bytes: Buffer;
  readonly policy: string;
}

/** Makes a page that has this one style. It may load nothing, from here or elsewhere, and run no script. */
export function styledPage(page: {
  readonly title: string;
  readonly style: string;
  readonly body: Markup;
}): StyledPage {
  const { title, style, body } = page;
  const digest = createHash('sha256').update(style).digest('base64');
  const { html } = markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${{ html: style }}</style>
</head>
<body>
${body}
</body>
</html>
`;
  return {
    bytes: Buffer.from(html),
    policy: `default-src 'none'; style-src 'sha256-${digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  };
}

/** Answers with a page, and with `headers` besides its own. */
export function sendPage(
  outgoing: ServerResponse,
  { bytes, policy }: StyledPage,
  headers: Readonly<Record<string, string>> = {},
): 'sent' {
  outgoing.writeHead(200, {
    ...headers,
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Length': bytes.length,
    'Content-Security-Policy': policy,
  });
  outgoing.end(bytes);
  return 'sent';
}
