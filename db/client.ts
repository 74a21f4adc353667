import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';
import { withPreparedStatements } from './prepared-statements.ts';
import { renewed } from './renewed-client.ts';
import { socketPathOf } from './socket-path.ts';
import { withoutStaleErrors } from './stale-errors.ts';
import { firstFree, groupSizes } from './warm-connections.ts';
import { withWholeTransactions } from './whole-transactions.ts';

/** A database handle: runs statements on any free connection. */
export type Database = PostgresJsDatabase;

/** What queries take first: a database, or a transaction of one. */
export type Executor = Pick<
  Database,
  'select' | 'selectDistinct' | 'insert' | 'update' | 'delete' | 'execute'
>;

/** How to reach Postgres: `url` as in `DATABASE_URL`; a host that starts with `/` is a directory with a Unix socket. */
export interface DatabaseOptions {
  readonly url: string;
  readonly connectionsMax: number;
  readonly applicationName: string;
  /** The server ends statements that take longer. Default: none is ended. */
  readonly statementMsMax?: number;
  /** A transaction that waits longer for its process is ended. Default: 30 s. */
  readonly idleMsMax?: number;
  /** Keeps its connections for as long as it is open, for what is bound to a session. Default: they are renewed in turn. */
  readonly isLasting?: boolean;
}

/** A database and the way to close it. */
export interface DatabaseClient {
  readonly db: Database;
  /** Waits up to `timeoutSeconds` for running statements, then cuts the connections. */
  close(timeoutSeconds: number): Promise<void>;
}

/** A process that hangs in a transaction loses it, and with it the locks that would hold up everyone else. */
const idleInTransactionMsMax = 30_000;

/**
 * Opens a pool of connections. Nothing is connected until the first statement. The driver's parsers are rewritten
 * by drizzle, so raw statements that need them use a client of their own.
 */
export function openDatabase(options: DatabaseOptions): DatabaseClient {
  const path = socketPathOf(options.url);
  const { connectionsMax } = options;
  const settings = {
    ...(path === undefined ? {} : { path }),
    connection: {
      application_name: options.applicationName,
      idle_in_transaction_session_timeout: options.idleMsMax ?? idleInTransactionMsMax,
      ...(options.statementMsMax === undefined ? {} : { statement_timeout: options.statementMsMax }),
    },
    ...(options.isLasting === true ? { max_lifetime: null } : {}),
    connect_timeout: 10,
    // Else each connection first asks for the types of arrays, with a promise that nobody has: cut meanwhile, the process ends.
    // Columns of arrays are read by drizzle, which takes their text.
    fetch_types: false,
    onnotice: () => undefined,
  };
  const open = (max: number) =>
    renewed(max, (onclose) => {
      const client = postgres(options.url, { ...settings, max, onclose });
      // Has the parsers of each client rewritten, not only those of the first.
      drizzle(client);
      return client;
    });
  const [size = connectionsMax, ...sizes] = groupSizes(connectionsMax);
  const groups = [open(size), ...sizes.map(open)] as const;
  const db = drizzle(withPreparedStatements(withoutStaleErrors(firstFree(groups), connectionsMax)));
  db.transaction = withWholeTransactions(db.transaction.bind(db));
  return {
    db,
    close: async (timeoutSeconds) => {
      await Promise.all(groups.map((group) => group.end(timeoutSeconds)));
    },
  };
}
