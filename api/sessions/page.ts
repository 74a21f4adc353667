import { escapeHtml } from '../http/escape-html.ts';

const style = `
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
  body { display: grid; place-items: center; min-height: 100vh; margin: 0 }
  form { display: grid; gap: .75rem; width: min(22rem, 90vw) }
  h1 { font-size: 1.25rem; margin: 0 }
  label { display: grid; gap: .25rem }
  input, button { font: inherit; padding: .5rem .75rem; border-radius: .5rem; border: 1px solid GrayText }
  button { cursor: pointer; border-color: transparent; background: #2563eb; color: #fff }
  :focus-visible { outline: 3px solid #60a5fa; outline-offset: 1px }
  [role=alert] { margin: 0; color: #dc2626 }
`;

/** What the page may do: be styled, and be sent to us. It loads nothing and runs no script. */
export const signInPolicy =
  "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/** The sign-in page; `to` is where the browser goes afterwards, `failure` what was wrong with the try before. */
export function signInPage({ to, failure }: { readonly to: string; readonly failure?: string }): string {
  const alert = failure === undefined ? '' : `<p role="alert">${escapeHtml(failure)}</p>`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sign in · VFolder</title>
<style>${style}</style>
</head>
<body>
<form method="post" action="sign-in">
<h1>Sign in to VFolder</h1>
${alert}
<input type="hidden" name="to" value="${escapeHtml(to)}">
<label>Access key <input name="access_key" autocomplete="username" required autofocus spellcheck="false"></label>
<label>Secret key <input name="secret_key" type="password" autocomplete="current-password" required></label>
<button>Sign in</button>
</form>
</body>
</html>
`;
}
