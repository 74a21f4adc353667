import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

/** A key and a certificate that signs itself, in PEM. */
export interface SelfSigned {
  readonly key: string;
  readonly cert: string;
}

const dayMs = 86_400_000;

/** One value of DER (X.690): tag, length, content. */
function der(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  const size = content.length.toString(16);
  const long = Buffer.from(size.length % 2 === 0 ? size : `0${size}`, 'hex');
  const length =
    content.length < 0x80 ? Buffer.of(content.length) : Buffer.concat([Buffer.of(0x80 + long.length), long]);
  return Buffer.concat([Buffer.of(tag), length, content]);
}

const sequence = (...parts: readonly Uint8Array[]) => der(0x30, ...parts);
const objectId = (hex: string) => der(0x06, Buffer.from(hex, 'hex'));
const octets = (content: Uint8Array) => der(0x04, content);
const explicit = (number: number, content: Uint8Array) => der(0xa0 + number, content);

/** `YYYYMMDDHHMMSSZ`. */
function moment(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  return der(0x18, Buffer.from(digits));
}

/** A certificate of X.509 version 3 for 127.0.0.1 and localhost that signs itself (RFC 5280 §4.1), good from yesterday on. */
export function makeSelfSigned({ days = 2 }: { readonly days?: number } = {}): SelfSigned {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key: KeyObject = createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const ecdsaWithSha256 = sequence(objectId('2a8648ce3d040302'));
  const commonName = sequence(objectId('550403'), der(0x0c, Buffer.from('localhost')));
  const name = sequence(der(0x31, commonName));
  const from = Date.now() - dayMs;
  const alternatives = sequence(der(0x87, Buffer.of(127, 0, 0, 1)), der(0x82, Buffer.from('localhost')));
  const isAuthority = sequence(der(0x01, Buffer.of(0xff)));
  const extensions = sequence(
    sequence(objectId('551d11'), octets(alternatives)),
    sequence(objectId('551d13'), der(0x01, Buffer.of(0xff)), octets(isAuthority)),
  );
  const body = sequence(
    explicit(0, der(0x02, Buffer.of(2))),
    der(0x02, Buffer.concat([Buffer.of(1), randomBytes(8)])),
    ecdsaWithSha256,
    name,
    sequence(moment(from), moment(from + days * dayMs)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    explicit(3, extensions),
  );
  const signature = der(0x03, Buffer.of(0), sign('sha256', body, key));
  const bytes = sequence(body, ecdsaWithSha256, signature);
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  const cert = `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
  return { key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), cert };
}
