import { escapeHtml } from '../http/escape-html.ts';

/** HTML that is safe to put into a page. */
export interface Markup {
  readonly html: string;
}

/** What a template takes: text is escaped, markup is not, a list is put in one after the other, `undefined` is nothing. */
export type Part = string | number | Markup | readonly Part[] | undefined;

function htmlOf(part: Part): string {
  if (part === undefined) return '';
  if (typeof part === 'string' || typeof part === 'number') return escapeHtml(String(part));
  return 'html' in part ? part.html : part.map(htmlOf).join('');
}

/** Makes HTML in which whatever is put in is text, unless it was made here itself. */
export function markup(strings: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return { html: String.raw({ raw: strings }, ...parts.map(htmlOf)) };
}

/** A sentence of the document: what stands between backquotes is code, an empty line begins a paragraph. */
export function prose(text: string): Markup {
  const paragraphs = text.split(/\n{2,}/).map((paragraph) => markup`<p>${codes(paragraph)}</p>`);
  return markup`${paragraphs}`;
}

/** As `prose`, inside a paragraph or a cell. */
export function codes(text: string): Markup {
  const parts = text.split('`').map((part, index) => (index % 2 === 1 ? markup`<code>${part}</code>` : part));
  return markup`${parts}`;
}
