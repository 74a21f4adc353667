import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** The tables of the kernel; the second one has the connections of IPv6 sockets, to IPv4 peers as well. */
const tables = ['/proc/self/net/tcp', '/proc/self/net/tcp6'];
/** A snapshot serves everybody who asked within this time before it. */
const gatherMsDefault = 250;

function littleEndian(hex: string): Buffer {
  const bytes = Buffer.from(hex, 'hex');
  for (let word = 0; word < bytes.length; word += 4) bytes.subarray(word, word + 4).reverse();
  return bytes;
}

/** `0100007F` is 127.0.0.1, words in the byte order of the host; mapped addresses are written as IPv4. */
function readAddress(hex: string): string {
  const bytes = littleEndian(hex);
  const isMapped =
    bytes.length === 16 && bytes.subarray(0, 12).toString('hex') === '00000000000000000000ffff';
  if (bytes.length === 4 || isMapped) return [...bytes.subarray(-4)].join('.');
  const groups = bytes.toString('hex').match(/.{4}/g) ?? [];
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

function keyOf(peer: {
  readonly localPort: number;
  readonly remotePort: number;
  readonly remoteAddress: string;
}) {
  return `${peer.localPort} ${peer.remoteAddress.replace(/^::ffff:(?=\d+\.)/i, '').toLowerCase()} ${peer.remotePort}`;
}

/** proc(5), /proc/net/tcp: local and remote address, state, then `tx_queue:rx_queue`, all hexadecimal. */
function readTable(text: string, into: Map<string, number>): void {
  const row = /^ *\d+: [0-9A-F]+:([0-9A-F]{4}) ([0-9A-F]+):([0-9A-F]{4}) [0-9A-F]{2} ([0-9A-F]{8}):/gm;
  for (const [, localPort = '', remote = '', remotePort = '', queued = ''] of text.matchAll(row)) {
    const ports = { localPort: Number.parseInt(localPort, 16), remotePort: Number.parseInt(remotePort, 16) };
    into.set(keyOf({ ...ports, remoteAddress: readAddress(remote) }), Number.parseInt(queued, 16));
  }
}

async function takeSnapshot(): Promise<ReadonlyMap<string, number> | undefined> {
  const texts = await Promise.all(tables.map((path) => readFile(path, 'latin1').catch(() => undefined)));
  if (texts.every((text) => text === undefined)) return undefined;
  const snapshot = new Map<string, number>();
  for (const text of texts) if (text !== undefined) readTable(text, snapshot);
  return snapshot;
}

/**
 * Makes the reader of what the kernel still holds of the bytes written to a socket: not yet acknowledged by the other end.
 * The kernel takes megabytes at once and makes room for more in lumps, so without this a slow reader looks like none.
 * What it answers was so at some time after it was asked. `null` when the connection was not seen: the kernel lists
 * connections that come and go meanwhile, and may leave one out. `undefined` where the system does not tell (anything but
 * Linux).
 */
export function openUnsentBytes(
  gatherMs: number = gatherMsDefault,
): (socket: Socket) => Promise<number | null | undefined> {
  let next: ReturnType<typeof takeSnapshot> | undefined;
  const gather = async () => {
    await delay(gatherMs, undefined, { ref: false });
    // Who asks from here on may have written since.
    next = undefined;
    return takeSnapshot();
  };
  return async ({ localPort, remotePort, remoteAddress }) => {
    if (localPort === undefined || remotePort === undefined || remoteAddress === undefined) return undefined;
    next ??= gather();
    const queues = await next;
    return queues === undefined
      ? undefined
      : (queues.get(keyOf({ localPort, remotePort, remoteAddress })) ?? null);
  };
}
