import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  emptyBodyHash,
  type SignedRequest,
  signRequest,
  signsBody,
  stringToSign,
} from '../../domain/signature.ts';
import { parseSignedDate } from '../../domain/signed-date.ts';

const secret = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';
const noon = '2026-11-23T13:00:00+00:00';
const base = {
  host: '127.0.0.1:8080',
  date: noon,
  versionHeader: 'x-backendai-version',
  bodyHash: emptyBodyHash,
};

const vectors: readonly (readonly [string, SignedRequest, string])[] = [
  [
    'A: JSON on POST',
    { ...base, method: 'POST', target: '/folders', contentType: 'application/json', version: 'v4.20190615' },
    'ef92e6b3d92f28b118e62a0f2019dc785ae3c8e422cd8b82893dd1fc49d3c661',
  ],
  [
    'B: a GET without a body',
    { ...base, method: 'GET', target: '/folders/mydata', contentType: 'text/plain', version: 'v4.20190615' },
    'c9d7ab12286842c124352e3d0c304f0936e6998ba57d7d2efc5eee8577ad5214',
  ],
  [
    'C: a query',
    {
      ...base,
      method: 'GET',
      target: '/folders/mydata/files?path=.',
      date: '2026-11-23T13:00:00.000Z',
      contentType: 'application/json',
      version: 'v6.20220315',
    },
    '1da0e9d0c8a1034a92dccbb4d815fc232d54600ef8ae9ebca99cc4c36b8d2dba',
  ],
  [
    'content: the example of docs/API.md',
    {
      ...base,
      method: 'POST',
      target: '/folders',
      date: '2026-11-23T13:00:00.000Z',
      contentType: 'application/json',
      version: 'v4.20190615',
      contentSha256: 'ec415f97dc7a7dfc7d099515e83236b88b36edd9f50a2fea0dc21c049653390d',
    },
    'acbf934efd3aac42540469bf6ca4cd7a08939af09c5326884795e17ee4ef3bc6',
  ],
  [
    'D: multipart',
    {
      ...base,
      method: 'POST',
      target: '/folders/mydata/upload',
      contentType: 'multipart/form-data; boundary=x',
      version: 'v4.20190615',
    },
    'd46bd9bdef942109d131d731abce7f0cdbf00db089a9750106d5a0b314bbd3c3',
  ],
  [
    'E: an old version, which signs the body',
    {
      ...base,
      method: 'GET',
      target: '/v2/folders/mydata/files',
      contentType: 'application/json',
      version: 'v2.20170315',
      bodyHash: createHash('sha256').update('{"path": "."}').digest('hex'),
    },
    '555c61e8be9017d969199e8abb3eed5762d03f84e5f960583ab9b24c4f59368b',
  ],
  [
    'F: an old version with multipart',
    {
      ...base,
      method: 'POST',
      target: '/v2/folders/mydata/upload',
      contentType: 'multipart/form-data',
      version: 'v2.20170315',
    },
    '3b16487432736521aa3baa954ee4a0dab6afebf889c1b821b1896e08f32528d9',
  ],
  [
    'G: a day that has begun in its own offset only',
    {
      ...base,
      method: 'GET',
      target: '/folders',
      date: '2026-11-24T01:30:00+09:00',
      contentType: 'text/plain',
      version: 'v4.20190615',
    },
    'ce2d2cc4d1793cc883ee984de6ee498ea592b4811d2f2819174699f3ee7d1e1a',
  ],
];

describe('signRequest', () => {
  it.each(vectors)('makes the signature of published clients, vector %s', (_name, request, signature) => {
    const date = parseSignedDate(request.date, 2026);
    expect(signRequest(request, { secret, dayKey: date?.dayKey ?? '' })).toBe(signature);
  });

  it('depends on every signed part', () => {
    const [, request] = vectors[0] ?? [];
    if (request === undefined) throw new Error('no vector');
    const key = { secret, dayKey: '20261123' };
    const signatures = [
      request,
      { ...request, method: 'PUT' },
      { ...request, target: '/folders?' },
      { ...request, date: '2026-11-23T13:00:01+00:00' },
      { ...request, host: '127.0.0.1:8081' },
      { ...request, contentType: 'text/plain' },
      { ...request, versionHeader: 'x-sorna-version' },
      { ...request, version: 'v4.20190616' },
      { ...request, bodyHash: '00' },
    ].map((changed) => signRequest(changed, key));
    const otherKeys = [
      signRequest(request, { ...key, dayKey: '20261124' }),
      signRequest(request, { ...key, secret: `${secret}x` }),
    ];
    expect(new Set([...signatures, ...otherKeys]).size).toBe(11);
  });
});

describe('stringToSign', () => {
  it('is seven lines with the media type alone in lower case', () => {
    const text = stringToSign({
      ...base,
      method: 'post',
      target: '/a%20b?x=%2F',
      contentType: 'Application/JSON; charset=utf-8',
      version: 'v4.20190615',
    });
    expect(text).toBe(
      `POST\n/a%20b?x=%2F\n${noon}\nhost:127.0.0.1:8080\ncontent-type:application/json\nx-backendai-version:v4.20190615\n${emptyBodyHash}`,
    );
  });
});

describe('signsBody', () => {
  it.each([
    ['', 'application/json', true],
    ['v2.20170315', 'application/json', true],
    ['v2.20170315', 'multipart/form-data', false],
    ['v4.20181214', 'application/json', true],
    ['v4.20181215', 'application/json', false],
    ['v6.20220315', 'application/json', false],
    // Plain text comparison, as in every published signer: ten sorts below four.
    ['v10.20300101', 'application/json', true],
  ])('for version %j and %s is %j', (version, mediaType, expected) => {
    expect(signsBody(version, mediaType)).toBe(expected);
  });
});
