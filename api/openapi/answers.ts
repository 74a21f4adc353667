import type { z } from 'zod';
import type { ErrorCode } from '../../domain/errors.ts';
import type { ReplyHeader, RequestHeader } from './headers.ts';
import type { Tag } from './tags.ts';

/** A body that the handler writes itself, in one of these media types; none: it has no body. */
export interface Content {
  readonly media: readonly string[];
}

/** A JSON body, or on demand one that the handler writes itself. */
export interface JsonOrContent extends Content {
  readonly json: z.ZodType;
}

/** The JSON body of an answer, a body that the handler writes itself, or none (`null`). */
export type Answer = z.ZodType | Content | JsonOrContent | null;

/** What a route answers when it does not refuse, by status. */
export type Answers = Readonly<Record<number, Answer>>;

// Presenters give readonly lists and records; on the wire there is no difference.
type Wire<T> = T extends readonly (infer E)[]
  ? readonly Wire<E>[]
  : T extends object
    ? { readonly [K in keyof T]: Wire<T[K]> }
    : T;

/** One status with the body that belongs to it. */
export interface Answered<Status extends number, Body> {
  readonly status: Status;
  readonly body: Body;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One status without a body. */
export interface Bare<Status extends number> {
  readonly status: Status;
  readonly body?: undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

type ReplyFor<Status extends number, A> = A extends z.ZodType
  ? Answered<Status, Wire<z.input<A>>>
  : A extends { readonly json: infer Json extends z.ZodType }
    ? Answered<Status, Wire<z.input<Json>>> | 'sent'
    : A extends null
      ? Bare<Status>
      : 'sent';

interface AnyReply {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The replies that a route with these answers may give. */
export type ReplyOf<A extends Answers> = number extends keyof A
  ? AnyReply | 'sent'
  : { [Status in keyof A & number]: ReplyFor<Status, A[Status]> }[keyof A & number];

type BodyFor<A> = A extends z.ZodType
  ? Wire<z.input<A>>
  : A extends { readonly json: infer Json extends z.ZodType }
    ? Wire<z.input<Json>>
    : never;

/** The bodies that a route with these answers may give. */
export type BodyOf<A extends Answers> = BodyFor<A[keyof A & number]>;

/** What the API document says of a route beyond its path, input and answers. */
export interface RouteDoc {
  readonly tag: Tag;
  /** What generated clients call the operation; unique. */
  readonly id: string;
  /** One line without a full stop. */
  readonly summary: string;
  /** A page or a form for people with a browser: no part of the API, and so not in the document. */
  readonly isForPeople?: true;
  /** What it refuses with beside the codes that follow from its method, access, right and body. */
  readonly refusals?: readonly ErrorCode[];
  /** Request headers that change what it does. */
  readonly reads?: readonly RequestHeader[];
  /** Headers of its answers, by status. */
  readonly sets?: Readonly<Record<number, readonly ReplyHeader[]>>;
  /** Media types of a streamed body, each with the schema of its JSON Schema form; none: the route takes no body. */
  readonly takes?: Readonly<Record<string, object>>;
}
