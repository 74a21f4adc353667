import { createHash } from 'node:crypto';

/** What a file holds; `null`: there is no such file. */
export type Content = { readonly sha256: string; readonly size: number } | null;

/** Contents by path. */
export type Contents = ReadonlyMap<string, Content>;

/** A change whose answer was not seen, or was a 202: it is applied or not, as a whole. */
export interface OpenChange {
  readonly label: string;
  readonly before: Contents;
  readonly after: Contents;
  /** The job that decides, when the answer named it. */
  readonly jobId: string | undefined;
  /** Set when the same change, sent again, was acknowledged: then it has to be applied. */
  isAcknowledged: boolean;
}

/**
 * What has to lie in one folder, as those who changed it know. A path with an open change is left alone until the next
 * audit has looked which way it went.
 */
export interface Expectation {
  readonly files: ReadonlyMap<string, Content>;
  readonly open: readonly OpenChange[];
  /** Whether an open change touches `path` or something below it. */
  isOpen(path: string): boolean;
  /** Settled files below `dir`. */
  filesBelow(dir: string): string[];
  /** Notes an acknowledged change. */
  settle(after: Contents): void;
  /** Notes a change of unknown outcome. */
  leaveOpen(change: { label: string; after: Contents; jobId?: string | undefined }): OpenChange;
  /** Notes that an open change was applied after all. */
  close(change: OpenChange): void;
  /** Directories that were made, or were deleted, by acknowledged requests and not touched since. */
  readonly madeDirs: ReadonlySet<string>;
  readonly goneDirs: ReadonlySet<string>;
  dirMade(dir: string): void;
  dirGone(dir: string): void;
  /** Forgets what is known about `dir`, those above and those below it: a request of unknown outcome touched it. */
  dirUnknown(dir: string): void;
  /** Takes what was found as the truth about all open changes. */
  resolve(found: ReadonlyMap<string, Content>): void;
}

/** The content of a file with these bytes. */
export function contentOf(bytes: Uint8Array): NonNullable<Content> {
  return { sha256: createHash('sha256').update(bytes).digest('hex'), size: bytes.byteLength };
}

/** Whether two contents are the same. */
export function sameContent(one: Content, other: Content): boolean {
  return one?.sha256 === other?.sha256 && one?.size === other?.size;
}

/** `a/b/c` → `a`, `a/b`. */
function parentsOf(path: string): string[] {
  const names = path.split('/').slice(0, -1);
  return names.map((_, index) => names.slice(0, index + 1).join('/'));
}

/** Makes the expectation of an empty folder. */
export function makeExpectation(): Expectation {
  const files = new Map<string, Content>();
  const madeDirs = new Set<string>();
  const goneDirs = new Set<string>();
  const open: OpenChange[] = [];
  const noteParents = (after: Contents) => {
    for (const [path, content] of after) {
      if (content !== null) for (const parent of parentsOf(path)) goneDirs.delete(parent);
    }
  };
  const put = (path: string, content: Content) => {
    if (content === null) files.delete(path);
    else files.set(path, content);
  };
  return {
    files,
    open,
    madeDirs,
    goneDirs,
    isOpen: (path) =>
      open.some((change) =>
        [...change.after.keys()].some((one) => one === path || one.startsWith(`${path}/`)),
      ),
    filesBelow: (dir) => [...files.keys()].filter((path) => path.startsWith(`${dir}/`)),
    settle: (after) => {
      for (const [path, content] of after) put(path, content);
      noteParents(after);
    },
    leaveOpen: ({ label, after, jobId }) => {
      const before = new Map([...after.keys()].map((path) => [path, files.get(path) ?? null]));
      const change: OpenChange = { label, before, after, jobId, isAcknowledged: false };
      open.push(change);
      noteParents(after);
      return change;
    },
    close: (change) => {
      for (const [path, content] of change.after) put(path, content);
      open.splice(open.indexOf(change), 1);
    },
    dirMade: (dir) => {
      madeDirs.add(dir);
      for (const one of [dir, ...parentsOf(dir)]) goneDirs.delete(one);
    },
    dirGone: (dir) => {
      for (const one of madeDirs) if (one === dir || one.startsWith(`${dir}/`)) madeDirs.delete(one);
      goneDirs.add(dir);
    },
    dirUnknown: (dir) => {
      for (const set of [madeDirs, goneDirs]) {
        for (const one of set) if (`${one}/`.startsWith(`${dir}/`)) set.delete(one);
      }
      for (const one of parentsOf(dir)) goneDirs.delete(one);
    },
    resolve: (found) => {
      for (const change of open) for (const path of change.after.keys()) put(path, found.get(path) ?? null);
      open.length = 0;
    },
  };
}
