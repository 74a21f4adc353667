import {
  type DocumentNode,
  execute,
  GraphQLError,
  NoSchemaIntrospectionCustomRule,
  parse,
  specifiedRules,
  validate,
} from 'graphql';
import { listMemberFolders } from '../../../db/queries/members.ts';
import { isDomainError } from '../../../domain/errors.ts';
import { loadFolder } from '../../authorize.ts';
import type { Services } from '../../services.ts';
import { parseFilter, parseOrder, type Test } from './filter.ts';
import { type FolderRow, toRow } from './row.ts';
import { schema } from './schema.ts';

/** A document longer than this is none that a client sends. */
const tokensMax = 2_000;
/** Operations and fragments; validation compares all pairs of fragments, one inside the other. */
const definitionsMax = 20;
/** Fields of the query itself; each of them reads the caller's folders. */
const rootFieldsMax = 10;
const pageItemsMax = 1_000;
/** Most folders of one user that a query looks at. */
const foldersMax = 100_000;

/** A GraphQL request as it came. */
export interface GraphqlRequest {
  readonly query: string;
  readonly variables: Readonly<Record<string, unknown>>;
  readonly operationName?: string | undefined;
}

/** What a query led to; `data` is `null` when it could not be run. Messages are for the caller. */
export interface GraphqlResult {
  readonly data: Readonly<Record<string, unknown>> | null;
  readonly errors: readonly { readonly message: string; readonly path?: readonly (string | number)[] }[];
}

interface ListArguments {
  readonly limit: number;
  readonly offset: number;
  readonly filter?: string | null;
  readonly order?: string | null;
  readonly group_id?: string | null;
}

type GraphqlServices = Pick<Services, 'db'>;

function requirePage({ limit, offset }: ListArguments): void {
  if (limit < 1 || limit > pageItemsMax) throw new GraphQLError(`The limit is 1 to ${pageItemsMax}.`);
  if (offset < 0) throw new GraphQLError('The offset is not negative.');
}

// Errors of the small languages are sentences for the caller; GraphQLError marks them as such.
function understood<T>(parseText: (text: string) => T, text: string): T {
  try {
    return parseText(text);
  } catch (error) {
    throw new GraphQLError(error instanceof Error ? error.message : 'The text is not understood.');
  }
}

async function findRow(
  services: GraphqlServices,
  userId: string,
  nameOrId: string,
): Promise<FolderRow | null> {
  try {
    return toRow(await loadFolder(services, { userId, nameOrId, right: 'read' }));
  } catch (error) {
    if (isDomainError(error, 'not_found')) return null;
    throw error;
  }
}

function pageOf(rows: readonly FolderRow[], page: ListArguments) {
  requirePage(page);
  const test = page.filter ? understood(parseFilter, page.filter) : () => true;
  const order = page.order ? understood(parseOrder, page.order) : undefined;
  const wanted = rows.filter(test);
  const ordered = order === undefined ? wanted : wanted.toSorted(order);
  return { items: ordered.slice(page.offset, page.offset + page.limit), total_count: wanted.length };
}

/** The root of the schema for one caller. Folders belong to users, so those of a group or project are none. */
function rootOf(services: GraphqlServices, userId: string) {
  let read: Promise<FolderRow[]> | undefined;
  let fields = 0;
  const readRows = () => {
    read ??= listMemberFolders(services.db, { userId, limit: foldersMax, offset: 0 }).then((found) =>
      found.map(toRow),
    );
    return read;
  };
  const count = () => {
    fields += 1;
    if (fields > rootFieldsMax) throw new GraphQLError(`A query has at most ${rootFieldsMax} fields.`);
  };
  const list = (isListed: Test) => async (page: ListArguments) => {
    count();
    return pageOf((await readRows()).filter(isListed), page);
  };
  const none = () => false;
  return {
    vfolder: ({ id }: { readonly id?: string | null }) => {
      count();
      return id ? findRow(services, userId, id) : null;
    },
    vfolder_list: (page: ListArguments) => list(page.group_id ? none : () => true)(page),
    vfolder_own_list: list((row) => row.is_owner),
    vfolder_invited_list: list((row) => !row.is_owner),
    vfolder_project_list: list(none),
  };
}

function refused(errors: readonly GraphQLError[]): GraphqlResult {
  return { data: null, errors: errors.map(({ message }) => ({ message })) };
}

function readDocument(query: string): DocumentNode | readonly GraphQLError[] {
  try {
    const document = parse(query, { maxTokens: tokensMax, noLocation: true });
    if (document.definitions.length > definitionsMax) {
      return [new GraphQLError(`A document has at most ${definitionsMax} operations and fragments.`)];
    }
    // Introspection nests without end; clients know the schema.
    const errors = validate(schema, document, [...specifiedRules, NoSchemaIntrospectionCustomRule]);
    return errors.length === 0 ? document : errors;
  } catch (error) {
    if (error instanceof GraphQLError) return [error];
    throw error;
  }
}

/**
 * Runs a query for a user. What is wrong with it is told in `errors`, as GraphQL does.
 * @throws what reading the database throws
 */
export async function runGraphql(
  services: GraphqlServices,
  userId: string,
  request: GraphqlRequest,
): Promise<GraphqlResult> {
  const document = readDocument(request.query);
  if ('length' in document) return refused(document);
  const { data, errors = [] } = await execute({
    schema,
    document,
    rootValue: rootOf(services, userId),
    variableValues: request.variables,
    operationName: request.operationName,
  });
  for (const { originalError } of errors) {
    // GraphQL would show its message, which is not for callers.
    if (originalError !== undefined && !(originalError instanceof GraphQLError)) throw originalError;
  }
  return {
    data: data ?? null,
    errors: errors.map(({ message, path }) => ({ message, ...(path === undefined ? {} : { path }) })),
  };
}
