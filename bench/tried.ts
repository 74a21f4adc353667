/**
 * What was tried for goals that are missed, by id or the beginning of ids up to a slash. The page of benchmarks has more, and
 * the decisions behind it are in `docs/adr/`.
 */
const tried: Readonly<Record<string, string>> = {
  T3: 'shared statements, commits, locks and entries of the queue, prepared statements, plans that expect few rows, few connections that keep theirs, looks and renames in threads (ADR 16, 18–20, 22, 29, 34, 35); waiting for fuller bundles and recording in one statement gained nothing',
  T4: 'one job and one reservation per request, files staged and renamed in bundles (ADR 22, 29)',
  J1: 'wake-ups by NOTIFY, a queue entry per bundle, no polling (ADR 16, 29)',
  'M1/list':
    'one statement per request, prepared, rights in the same statement (ADR 18); the p99 of the bare handler is above the goal, too',
  'M1/info':
    'one statement per request, prepared, rights in the same statement (ADR 18); what makes it faster does the same for the bare handler',
  T2: 'an own parser of forms, bodies read ahead while they are hashed (ADR 23)',
  'T1/rss': 'young memory held small while loading, collection every 8 MiB of bodies (ADR 23)',
  'T5/large': 'buffers used again (took half of the CPU), reading ahead (ADR 23)',
  D2: 'two walkers, steps by halves (ADR 31); the kernel lets one process at a time remove names from a directory, and two threads in C take 0.69',
  U1: 'walkers that begin at once, fewer objects per directory (ADR 31); a small tree is nearly done before walkers have parts of it',
  U2: 'twelve walkers with a call each under way (ADR 28)',
  D3: 'twelve walkers per worker, shares for all who wait, shorter ways (ADR 28), fewer walkers at work where processors are busy (ADR 36); with 200 µs per call one worker nearly keeps two cores busy',
  S1: 'shares for all who wait, fewer messages (ADR 28); one worker got twice as fast, and at 2 ms four keep two cores busy',
  A1: 'entries compressed in parallel, small ones in batches (ADR 10, 15)',
  A2: 'pieces of large files compressed in parallel, sampling for what shows no gain (ADR 10)',
  A3: 'the end of a zip as short notes in memory (ADR 33)',
  C1: 'slices sent one at a time over node:http, which copies nothing',
};

/** What was tried for the goal of a row. @returns undefined when nothing is known of it */
export function whatWasTried(id: string): string | undefined {
  const parts = id.split('/');
  for (let length = parts.length; length > 0; length -= 1) {
    const words = tried[parts.slice(0, length).join('/')];
    if (words !== undefined) return words;
  }
  return undefined;
}
