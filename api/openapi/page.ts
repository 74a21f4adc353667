import { z } from 'zod';
import { kindOf, shapeOf } from './describe-schema.ts';
import type { OpenApiDocument } from './document.ts';
import { codes, type Markup, markup, prose } from './markup.ts';
import { type StyledPage, styledPage } from './styled-page.ts';

const style = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 62rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere }
nav ul { columns: 3 14rem; padding: 0; list-style: none }
h2 { margin-top: 3rem; border-bottom: 2px solid GrayText }
article { margin: 1.5rem 0; padding: .5rem 1rem; border: 1px solid GrayText; border-radius: .5rem }
h3 { margin: .25rem 0; font-size: 1.1rem }
h3 b { display: inline-block; min-width: 4.5rem }
h4 { margin: .75rem 0 0; font-size: .9rem }
table { border-collapse: collapse; width: 100% }
th, td { padding: .2rem .75rem .2rem 0; text-align: left; vertical-align: top; border-top: 1px solid color-mix(in srgb, GrayText 35%, transparent) }
th, td:not(:last-child) { white-space: nowrap }
td:last-child { overflow-wrap: anywhere }
@media (width < 40rem) { td:not(:last-child) { white-space: normal; overflow-wrap: anywhere } }
dl { margin: .25rem 0 .25rem .25rem; padding-left: .75rem; border-left: 2px solid color-mix(in srgb, GrayText 35%, transparent) }
dd { margin: 0 0 .25rem 1rem }
:target { outline: 3px solid #60a5fa }
:focus-visible { outline: 3px solid #60a5fa; outline-offset: 1px }
`;

const schema = z.record(z.string(), z.unknown());
const content = z.record(z.string(), z.object({ schema: schema.default({}) })).default({});
const described = z.object({ description: z.string().default(''), schema: schema.default({}) });
const parameter = described.extend({
  name: z.string(),
  in: z.string(),
  required: z.boolean().default(false),
});
const response = z.object({ description: z.string(), content });
const reference = z.object({ $ref: z.string() });
const operation = z.object({
  operationId: z.string(),
  tags: z.array(z.string()),
  summary: z.string(),
  security: z.array(schema),
  parameters: z.array(z.union([reference, parameter])).default([]),
  requestBody: z.object({ content }).optional(),
  responses: z.record(z.string(), z.union([reference, response])),
});
const documentSchema = z.object({
  info: z.object({ title: z.string(), version: z.string(), description: z.string() }),
  tags: z.array(z.object({ name: z.string(), description: z.string() })),
  paths: z.record(z.string(), z.record(z.string(), operation)),
  components: z.object({
    schemas: z.record(z.string(), schema),
    responses: z.record(z.string(), response),
    parameters: z.record(z.string(), parameter),
    securitySchemes: z.record(z.string(), z.object({ description: z.string() })),
  }),
});

type Components = z.output<typeof documentSchema>['components'];
type Content = z.output<typeof content>;

interface Operation extends z.output<typeof operation> {
  readonly method: string;
  readonly path: string;
}

function found<T>(components: Readonly<Record<string, T>>, ref: string): T {
  const component = components[ref.slice(ref.lastIndexOf('/') + 1)];
  if (component === undefined) throw new Error(`The document has no ${ref}.`);
  return component;
}

function parametersOf({ parameters }: Operation, components: Components): Markup | undefined {
  if (parameters.length === 0) return undefined;
  const rows = parameters
    .map((one) => ('$ref' in one ? found(components.parameters, one.$ref) : one))
    .map(
      ({ name, in: place, required, schema: of, description }) =>
        markup`<tr><td><code>${name}</code></td><td>${place}${required ? '' : ', optional'}</td><td>${kindOf(of)} ${codes(description)}</td></tr>`,
    );
  return markup`<h4>Parameters</h4><table>${rows}</table>`;
}

// A problem has the same form everywhere; what it is refused with stands in the description.
function bodiesOf(given: Content): readonly Markup[] {
  return Object.entries(given)
    .filter(([media]) => media !== 'application/problem+json')
    .map(([media, { schema: of }]) => markup`<div><code>${media}</code> ${shapeOf(of)}</div>`);
}

function responsesOf({ responses }: Operation, components: Components): Markup {
  const rows = Object.entries(responses).map(([status, one]) => {
    const { description, content: given } = '$ref' in one ? found(components.responses, one.$ref) : one;
    return markup`<tr><th scope="row">${status}</th><td>${codes(description)}${bodiesOf(given)}</td></tr>`;
  });
  return markup`<h4>Answers</h4><table>${rows}</table>`;
}

function proofsOf({ security }: Operation): string {
  const names = security.flatMap((scheme) => Object.keys(scheme));
  return names.length === 0 ? 'Needs no proof.' : `Proof: ${names.join(', ')}.`;
}

function sectionOf(one: Operation, components: Components): Markup {
  const body = one.requestBody === undefined ? [] : bodiesOf(one.requestBody.content);
  return markup`<article id="${one.operationId}">
<h3><b>${one.method}</b> <code>${one.path}</code></h3>
<p>${one.summary}. ${proofsOf(one)}</p>
${parametersOf(one, components)}${body.length === 0 ? undefined : markup`<h4>Body</h4>${body}`}
${responsesOf(one, components)}
</article>
`;
}

/** The document as a page for people: without script, whole on first sight, and asking nobody for anything. */
export function referencePage(document: OpenApiDocument): StyledPage {
  const { info, tags, paths, components } = documentSchema.parse(document);
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, one]) => ({ ...one, method: method.toUpperCase(), path })),
  );
  const groups = tags.map(({ name, description }) => {
    const own = operations.filter((one) => one.tags.includes(name)).map((one) => sectionOf(one, components));
    return markup`<section><h2 id="tag-${name}">${name}</h2>${prose(description)}${own}</section>\n`;
  });
  const schemas = Object.entries(components.schemas).map(
    ([name, of]) => markup`<article id="schema-${name}"><h3>${name}</h3>${shapeOf(of)}</article>\n`,
  );
  const proofs = Object.entries(components.securitySchemes).map(
    ([name, { description }]) => markup`<dt><code>${name}</code></dt><dd>${codes(description)}</dd>`,
  );
  const links = operations.map(
    ({ operationId, method, path }) =>
      markup`<li><a href="#${operationId}"><b>${method}</b> ${path}</a></li>`,
  );
  const title = `${info.title} ${info.version}: API`;
  const body = markup`<header><h1>${title}</h1>${prose(info.description)}
<p>For programs: <a href="openapi.json">openapi.json</a>.</p></header>
<nav aria-label="Operations"><ul>${links}</ul></nav>
<main>
<section><h2 id="proof">Proof</h2><dl>${proofs}</dl></section>
${groups}<section><h2 id="schemas">Schemas</h2>
${schemas}</section>
</main>`;
  return styledPage({ title, style, body });
}
