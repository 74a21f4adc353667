import { z } from 'zod';
import { pathBytesMax } from '../../domain/entry-path.ts';
import { domainError, type FieldError } from '../../domain/errors.ts';
import { folderNameCharactersMax } from '../../domain/folder-name.ts';
import type { QueryValue } from './query.ts';

const trueWords = new Set(['true', '1', 'yes', 'on', '']);
const falseWords = new Set(['false', '0', 'no', 'off']);

function readBoolean(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  const word = value.toLowerCase();
  if (trueWords.has(word)) return true;
  return falseWords.has(word) ? false : value;
}

function readInteger(value: unknown): unknown {
  return typeof value === 'string' && /^-?\d{1,15}$/.test(value) ? Number(value) : value;
}

function readJsonText(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

/** A boolean from JSON or from a query (`true`, `1`, `yes`, `on` or nothing; `false`, `0`, `no`, `off`). */
export const queryBoolean = z.preprocess(readBoolean, z.boolean());

/** An integer within `min` and `max`, from JSON or from the digits of a query. */
export function queryInteger(bounds: { readonly min: number; readonly max: number }) {
  return z.preprocess(readInteger, z.int().min(bounds.min).max(bounds.max));
}

/** The path of an entry that is meant, as the document describes it; the rules are the domain's. */
export const namedPath = z.string().meta({ minLength: 1, maxLength: pathBytesMax });

/** The name of a folder, as the document describes it; the rules are the domain's. */
export const folderName = z.string().meta({ minLength: 1, maxLength: folderNameCharactersMax });

/** A list of `min` to `max` texts; a single text counts as a list of one (`?files=a`). */
export function stringList(bounds: { readonly min: number; readonly max: number }, each = z.string()) {
  return z.preprocess(
    (value) => (typeof value === 'string' ? [value] : value),
    z.array(each).min(bounds.min).max(bounds.max),
  );
}

/** A page wanted: `index` counts from zero; `sizeItems` undefined means everything on one page. */
export interface Paging {
  readonly sizeItems: number | undefined;
  readonly index: number;
}

const pageSize = queryInteger({ min: 0, max: 1_000_000 });
const pageIndex = queryInteger({ min: 0, max: 1_000_000_000 });

/**
 * The documented paging object in every spelling callers use, to be spread into a route's `z.object`: an object in
 * JSON, `paging={"size":2}` or `paging[size]=2` or plain `size=2&index=0` in a query. Read it with `readPaging`.
 */
export const pagingShape = {
  paging: z
    .preprocess(readJsonText, z.object({ size: pageSize.nullish(), index: pageIndex.nullish() }))
    .nullish(),
  size: pageSize.nullish(),
  index: pageIndex.nullish(),
};

/** The page that an input with `pagingShape` asks for; a size of 0 or none is all items. */
export function readPaging(input: z.infer<z.ZodObject<typeof pagingShape>>): Paging {
  const size = input.paging?.size ?? input.size ?? 0;
  return { sizeItems: size === 0 ? undefined : size, index: input.paging?.index ?? input.index ?? 0 };
}

/** Complaints told of at most: a list of half a million wrong items is told of as well by the first of them. */
const complaintsMax = 100;

/** What is not there is told so, and not by what its type would have been. */
function missing({ input }: { readonly input?: unknown }): string | undefined {
  return input === undefined ? 'is missing' : undefined;
}

/** Of several forms, the one whose type the value has; what is wrong with that one is what its caller wants to know. */
function fittingForm({ errors }: z.core.$ZodIssueInvalidUnion): readonly z.core.$ZodIssue[] | undefined {
  return errors.find((form) => form.every(({ code, path }) => path.length > 0 || code !== 'invalid_type'));
}

function toFieldErrors(issue: z.core.$ZodIssue, above: readonly PropertyKey[] = []): readonly FieldError[] {
  const path = [...above, ...issue.path];
  const form = issue.code === 'invalid_union' ? fittingForm(issue) : undefined;
  if (form !== undefined && form.length > 0) return form.flatMap((inner) => toFieldErrors(inner, path));
  const steps = path.map((step) => String(step).replaceAll('~', '~0').replaceAll('/', '~1'));
  return [{ pointer: steps.map((step) => `/${step}`).join(''), detail: issue.message }];
}

/**
 * Merges body and query (the query wins) and validates them; keys the schema does not know are dropped.
 * @throws request_malformed with one entry of `errors` for each of the first hundred complaints
 */
export function validateInput<Input>(
  schema: z.ZodType<Input>,
  body: Readonly<Record<string, unknown>>,
  query: ReadonlyMap<string, QueryValue>,
): Input {
  // `fromEntries` defines properties, so a key such as `__proto__` stays a plain key.
  const given = Object.fromEntries([...Object.entries(body), ...query]);
  const parsed = schema.safeParse(given, { error: missing });
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.slice(0, complaintsMax);
  const errors = issues.flatMap((issue) => toFieldErrors(issue)).slice(0, complaintsMax);
  throw domainError('request_malformed', 'The parameters are not valid.', { errors });
}

/** For routes that take nothing but what is in their path. */
export const noInput = z.object({});
