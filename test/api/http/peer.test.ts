import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { createPeerReader, rateKeyOf } from '../../../api/http/peer.ts';

function requestFrom(address: string, headers: Readonly<Record<string, string>> = {}): IncomingMessage {
  const socket = new Socket();
  Object.defineProperty(socket, 'remoteAddress', { value: address });
  const incoming = new IncomingMessage(socket);
  Object.assign(incoming.headers, headers);
  return incoming;
}

describe('createPeerReader', () => {
  const read = createPeerReader(['10.0.0.0/8', '::1']);
  const forwarded = { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'https' };

  it('ignores forwarding headers of everyone but trusted proxies', () => {
    expect(read(requestFrom('198.51.100.1', forwarded))).toEqual({
      address: '198.51.100.1',
      isConfidential: false,
      scheme: 'http',
    });
  });

  it('takes the nearest address that is no proxy of ours', () => {
    const headers = { 'x-forwarded-for': '127.0.0.1, 203.0.113.9, 10.1.1.1', 'x-forwarded-proto': 'http' };
    expect(read(requestFrom('10.2.2.2', headers))).toEqual({
      address: '203.0.113.9',
      isConfidential: false,
      scheme: 'http',
    });
  });

  it('takes TLS up to a trusted proxy for confidential', () => {
    expect(read(requestFrom('10.2.2.2', forwarded))).toEqual({
      address: '203.0.113.9',
      isConfidential: true,
      scheme: 'https',
    });
    const spoofed = { ...forwarded, 'x-forwarded-proto': 'https, http' };
    expect(read(requestFrom('10.2.2.2', spoofed)).isConfidential).toBe(false);
  });

  it.each(['127.0.0.1', '127.8.8.8', '::ffff:127.0.0.1'])('takes %s for the same machine', (address) => {
    expect(read(requestFrom(address)).isConfidential).toBe(true);
  });

  it('falls back to the proxy when what it says is no address', () => {
    expect(read(requestFrom('10.2.2.2', { 'x-forwarded-for': 'unknown' })).address).toBe('10.2.2.2');
  });
});

describe('rateKeyOf', () => {
  it.each([
    ['203.0.113.9', '203.0.113.9'],
    ['::ffff:203.0.113.9', '::ffff:203.0.113.9'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8::5', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
  ])('counts %s as %s', (address, key) => {
    expect(rateKeyOf(address)).toBe(key);
  });
});
