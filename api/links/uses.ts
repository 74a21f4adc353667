import type { Database, Executor } from '../../db/client.ts';
import { coalesce } from '../../db/coalesce.ts';
import { insertAudit } from '../../db/queries/audit.ts';
import {
  type LinkRoom,
  listLinkReaders,
  lockLinkUses,
  noteLinkUses,
  type ReaderOfLink,
} from '../../db/queries/link-uses.ts';
import type { LinkToUse } from '../../db/queries/links.ts';

/** A use of a link that is about to begin. */
export interface LinkUse {
  readonly db: Database;
  readonly link: Pick<LinkToUse, 'id' | 'kind' | 'userId' | 'folderId'>;
  readonly requestId: string;
  /** Who fetches what, and whether only a part of it; `null` for an upload. */
  readonly fetched: (ReaderOfLink & { readonly isPart: boolean }) | null;
}

/** Counts the uses of links; one for each process. */
export interface LinkUses {
  /**
   * Counts a use, unless it goes on with what the same address began to fetch in the last hours: only parts do. Uses of one
   * link that come at the same time share a transaction, so that however many they are, they hold one connection.
   * @returns false when the link is used up, has expired or is gone; then nothing is counted
   */
  count(use: LinkUse): Promise<boolean>;
}

function nameOf({ reader, content }: ReaderOfLink): string {
  return `${reader} ${content}`;
}

interface Decision {
  readonly granted: readonly boolean[];
  /** Those that count. */
  readonly begun: readonly LinkUse[];
}

/** Decides in the order of arrival. `going` names what goes on; `room` is `null` when no use may begin any more. */
function decide(uses: readonly LinkUse[], going: ReadonlySet<string>, room: LinkRoom | null): Decision {
  const known = new Set(going);
  const begun: LinkUse[] = [];
  const granted = uses.map((use) => {
    const { fetched } = use;
    if (fetched?.isPart === true && known.has(nameOf(fetched))) return true;
    if (room === null || (room.usesLeft !== null && begun.length >= room.usesLeft)) return false;
    begun.push(use);
    if (fetched !== null) known.add(nameOf(fetched));
    return true;
  });
  return { granted, begun };
}

async function noteBegun(tx: Executor, { begun }: Decision, isUnused: boolean): Promise<void> {
  const [first] = begun;
  if (first === undefined) return;
  const { id, kind, userId: actorId, folderId } = first.link;
  const readers = new Map(
    begun.flatMap(({ fetched }) => (fetched === null ? [] : [[nameOf(fetched), fetched] as const])),
  );
  await noteLinkUses(tx, { linkId: id, uses: begun.length, readers: [...readers.values()] });
  if (!isUnused) return;
  const { requestId } = first;
  await insertAudit(tx, { actorId, requestId, action: 'link.use', folderId, subject: id, details: { kind } });
}

/** Grants uses of the same link, none of them twice. */
async function grantTogether(uses: readonly LinkUse[]): Promise<readonly boolean[]> {
  const [first] = uses;
  if (first === undefined) return [];
  const { db, link } = first;
  const parts = uses.flatMap(({ fetched }) => (fetched?.isPart === true ? [fetched] : []));
  const listGoing = async (executor: Executor) =>
    new Set(parts.length === 0 ? [] : (await listLinkReaders(executor, link.id, parts)).map(nameOf));
  // Whoever goes on takes nothing from anybody, so there is nothing to wait for.
  if (parts.length === uses.length) {
    const going = await listGoing(db);
    if (parts.every((part) => going.has(nameOf(part)))) return uses.map(() => true);
  }
  return await db.transaction(async (tx) => {
    const room = await lockLinkUses(tx, link.id);
    const decision = decide(uses, await listGoing(tx), room);
    await noteBegun(tx, decision, room?.isUnused === true);
    return decision.granted;
  });
}

/** Opens the counting of a process. */
export function openLinkUses(): LinkUses {
  return { count: coalesce({ keyOf: ({ link }) => link.id, run: grantTogether }) };
}
