import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import type { Answer } from '../support/http-client.ts';
import type { Description, Operation, Response } from './read-document.ts';

/** Says what in an answer the document does not allow; `undefined`: nothing. */
export type Judge = (operation: Operation, answer: Answer) => string | undefined;

const mediaTypeOf = ({ headers }: Answer): string =>
  (headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '';

/** Holds answers against a document: the status, the media type, and a JSON body against its schema. */
export function makeJudge({ schemas }: Description): Judge {
  const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
  ajv.addSchema({ $id: 'http://document/', components: { schemas } });
  const compiled = new Map<string, ValidateFunction>();
  const validatorOf = (schema: object): ValidateFunction => {
    const text = JSON.stringify(schema).replaceAll('"#/components', '"http://document/#/components');
    const validate = compiled.get(text) ?? ajv.compile(JSON.parse(text));
    compiled.set(text, validate);
    return validate;
  };
  return (operation, answer) => {
    const { status } = answer;
    // Room that is used up is the only fault of a server that a request can bring about.
    if (status >= 500 && status !== 507) return `status ${status}`;
    const response = operation.responses[status];
    if (response === undefined) return `status ${status} is not documented`;
    if (answer.headers['x-request-id'] === undefined) return `status ${status} without X-Request-Id`;
    const complaint = operation.method === 'HEAD' ? undefined : judgeBody(answer, response, validatorOf);
    return complaint === undefined ? undefined : `status ${status}: ${complaint}`;
  };
}

function judgeBody(
  answer: Answer,
  { content }: Response,
  validatorOf: (schema: object) => ValidateFunction,
): string | undefined {
  if (answer.bytes.length === 0) {
    // Only what is no JSON can be empty and whole.
    const media = Object.keys(content);
    return media.length > 0 && media.every((type) => type.endsWith('json')) ? 'no body' : undefined;
  }
  const type = mediaTypeOf(answer);
  const schema = content[type]?.schema;
  if (schema === undefined) return `a body of ${type || 'no type'}`;
  if (answer.json === undefined) return undefined;
  const validate = validatorOf(schema);
  return validate(answer.json) ? undefined : errorsOf(validate);
}

function errorsOf({ errors }: ValidateFunction): string {
  return (errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`).join('; ');
}
