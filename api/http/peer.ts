import type { IncomingMessage } from 'node:http';
import { BlockList, isIP, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/** Where a request comes from. Behind a trusted proxy this is what the proxy says, else the socket's other end. */
export interface Peer {
  readonly address: string;
  /** Nobody between can read the request: TLS up to us or up to a trusted proxy, or no network at all. */
  readonly isConfidential: boolean;
  /** What the caller spoke, to us or to the outermost trusted proxy. */
  readonly scheme: 'http' | 'https';
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

function includes(list: BlockList, address: string): boolean {
  const family = isIP(address);
  return family !== 0 && list.check(address, family === 6 ? 'ipv6' : 'ipv4');
}

function addRange(list: BlockList, range: string): void {
  const [address = '', prefix] = range.split('/');
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
  if (prefix === undefined) list.addAddress(address, family);
  else list.addSubnet(address, Number(prefix), family);
}

// The nearest address that is not a proxy of ours; what stands before it anyone could have written.
function forwardedFor(header: string, trusted: BlockList): string | undefined {
  for (const item of header.split(',').reverse()) {
    const address = item.trim();
    if (isIP(address) === 0) return undefined;
    if (!includes(trusted, address)) return address;
  }
  return undefined;
}

function peerAt(address: string, isTls: boolean): Peer {
  return {
    address,
    isConfidential: isTls || includes(loopback, address),
    scheme: isTls ? 'https' : 'http',
  };
}

/**
 * Makes the reader of peers. `trustedProxies` are addresses or CIDR ranges whose `X-Forwarded-For` and
 * `X-Forwarded-Proto` are believed; everyone else's are ignored.
 */
export function createPeerReader(trustedProxies: readonly string[]): (incoming: IncomingMessage) => Peer {
  const trusted = new BlockList();
  for (const range of trustedProxies) addRange(trusted, range);
  // Who is at the other end of a socket does not change, and to look it up costs more than all the rest here.
  const known = new WeakMap<Socket, Peer>();
  return (incoming) => {
    const { socket } = incoming;
    const before = known.get(socket);
    if (before !== undefined) return before;
    const direct = socket.remoteAddress ?? '';
    const isTls = socket instanceof TLSSocket;
    if (!includes(trusted, direct)) {
      const peer = peerAt(direct, isTls);
      // A socket that is gone has no address.
      if (direct !== '') known.set(socket, peer);
      return peer;
    }
    const forwarded = forwardedFor(String(incoming.headers['x-forwarded-for'] ?? ''), trusted);
    const proto = String(incoming.headers['x-forwarded-proto'] ?? '');
    const isTlsToProxy = proto.split(',').at(-1)?.trim().toLowerCase() === 'https';
    const address = forwarded ?? direct;
    return peerAt(address, isTlsToProxy);
  };
}

/** What rate limits count by: the address, or for IPv6 its /64, since one host owns all of that. */
export function rateKeyOf(address: string): string {
  if (isIP(address) !== 6 || address.toLowerCase().startsWith('::ffff:')) return address;
  const [head = '', tail = ''] = address.toLowerCase().split('::');
  const start = head === '' ? [] : head.split(':');
  const end = tail === '' ? [] : tail.split(':');
  const zeros = address.includes('::')
    ? Array.from({ length: 8 - start.length - end.length }, () => '0')
    : [];
  return [...start, ...zeros, ...end].slice(0, 4).join(':');
}
