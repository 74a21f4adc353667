import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Answer } from '../support/http-client.ts';
import { at, textAt, textsAt } from '../support/json.ts';
import { upload } from '../support/users.ts';
import { openVolumeStage, type VolumeStage } from './volume-stage.ts';

const outcomeOf = ({ status, json }: Answer) => [status, at(json, 'code')];

describe('the volumes of a policy', () => {
  let stage: VolumeStage;
  beforeAll(async () => {
    stage = await openVolumeStage('postgres');
    await stage.startWorker();
  });
  afterAll(() => stage?.close());

  it('are where its users make folders and clones, from the next request on', async () => {
    const { admin } = stage;
    const ada = stage.ada.client;
    const policy = { name: 'western', volumes: ['west'] };
    expect((await admin.call('POST', '/admin/policies', { json: policy })).status).toBe(201);
    const older = await ada.call('POST', '/folders', { json: { name: 'older' } });
    expect(textAt(older.json, 'host')).toBe('east');
    const me = await ada.call('GET', '/me');
    const path = `/admin/users/${textAt(me.json, 'id')}`;
    expect((await admin.call('PATCH', path, { json: { policy: 'western' } })).status).toBe(200);
    const hosts = await ada.call('GET', '/folders/_/hosts');
    expect([textAt(hosts.json, 'default'), at(hosts.json, 'allowed')]).toEqual(['west', ['west']]);
    const all = await admin.call('GET', '/folders/_/all-hosts');
    expect(at(all.json, 'allowed')).toEqual(['east', 'west']);
    const make = (json: object) => ada.call('POST', '/folders', { json });
    expect(outcomeOf(await make({ name: 'a', host: 'east' }))).toEqual([403, 'volume_not_allowed']);
    expect(textAt((await make({ name: 'a' })).json, 'host')).toBe('west');
    // A clone stays beside its source where it may, and goes elsewhere where it may not.
    const clone = (json: object) => ada.call('POST', '/folders/older/clone', { json });
    expect(outcomeOf(await clone({ target_name: 'b', target_host: 'east' }))).toEqual([
      403,
      'volume_not_allowed',
    ]);
    const cloned = await clone({ target_name: 'b' });
    expect([cloned.status, textAt(cloned.json, 'host')]).toEqual([201, 'west']);
    // What is there already works on.
    const folder = {
      id: textAt(older.json, 'id'),
      name: 'older',
      path: (...parts: readonly string[]) => `/folders/older/${parts.join('/')}`,
    };
    await upload(ada, folder, { c: 'more' });
    await stage.set('west', 'draining');
    expect(outcomeOf(await make({ name: 'd' }))).toEqual([409, 'volume_draining']);
    await stage.reset();
    expect((await admin.call('PATCH', '/admin/policies/western', { json: { volumes: null } })).status).toBe(
      200,
    );
    expect(textAt((await make({ name: 'd', host: 'east' })).json, 'host')).toBe('east');
  });

  it('are volumes that there are', async () => {
    const json = { name: 'nowhere', volumes: ['east', 'north'] };
    const refused = await stage.admin.call('POST', '/admin/policies', { json });
    expect([...outcomeOf(refused), textsAt(refused.json, 'pointer', 'errors')]).toEqual([
      400,
      'request_malformed',
      ['/volumes'],
    ]);
  });
});
