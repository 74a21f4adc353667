import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isRedisAvailable } from '../../support/redis.ts';
import { type Service, startService } from '../support/service.ts';
import { badNames, examineService } from './examination.ts';

let service: Service;
beforeAll(async () => {
  service = await startService({ backend: isRedisAvailable() ? 'redis' : 'postgres', workers: 1 });
});
afterAll(() => service.stop());

describe('vfolder admin doctor', () => {
  it('asks at least 20 questions and has nothing to complain of a new installation', async () => {
    const { code, found } = await examineService(service);
    expect(found.length).toBeGreaterThanOrEqual(20);
    // The servers of a test run keep nothing over a crash, and the doctor says so.
    const unsafe = ['database: durability', 'Redis: durability'];
    expect(badNames(found).filter((name) => !unsafe.includes(name))).toEqual([]);
    expect(badNames(found)).toContain('database: durability');
    expect(code).toBe(1);
  });

  it('names a lost database and a wrong setting, and examines what can be without them', async () => {
    const lost = await examineService(service, { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' });
    expect(badNames(lost.found)).toContain('database');
    expect(lost.found.map(({ name }) => name)).toContain('volume local: room');
    const wrong = await examineService(service, { VFOLDER_NONSENSE: '1' });
    expect(badNames(wrong.found)).toEqual(['settings']);
  });
});
