import { describe, expect, it } from 'vitest';
import { documented, readProfile } from '../../../api/profiles/profile.ts';

const python = (version: string) => `Backend.AI Client for Python ${version}`;

describe('readProfile', () => {
  it.each([[{}], [{ 'x-backendai-version': '' }], [{ 'user-agent': python('19.09.0') }]])(
    'takes %j for a caller of the document',
    (headers) => {
      expect(readProfile(headers)).toBe(documented);
    },
  );

  it.each([
    ['v2.20170315', python('1.4.0'), 'gzip', true],
    ['v4.20181214', undefined, 'gzip', true],
    ['v4.20181215', python('18.12.3'), 'gzip', false],
    ['v4.20190315', python('19.03.2'), 'gzip', false],
    ['v4.20190614', undefined, 'gzip', false],
    ['v4.20190615', python('19.09.0'), 'identity', false],
    ['v4.20190615', undefined, 'identity', false],
    ['v5.20191215', python('20.03.10'), 'identity', false],
    ['v6.20220315', python('22.03.3'), 'identity', false],
    ['v10.20300101', undefined, 'identity', false],
  ])('reads %s of %s as %s parts, prefix %s', (version, userAgent, partEncoding, hasPathPrefix) => {
    const headers = { 'x-backendai-version': version, ...(userAgent && { 'user-agent': userAgent }) };
    expect(readProfile(headers)).toEqual({ name: 'client', version, partEncoding, hasPathPrefix });
  });

  it('reads the header that clients sent under the old name of the product', () => {
    expect(readProfile({ 'x-sorna-version': 'v3.20170615' })).toMatchObject({ version: 'v3.20170615' });
  });

  it.each(['4.20190615', 'v4', 'v4.2019061', 'V4.20190615', 'v4.20190615 ', 'v٤.20190615'])(
    'refuses the version %j',
    (version) => {
      expect(() => readProfile({ 'x-backendai-version': version })).toThrowError(
        expect.objectContaining({ code: 'request_malformed' }),
      );
    },
  );
});
