import { afterAll, beforeAll, beforeEach } from 'vitest';
import type { Client } from '../support/http-client.ts';
import { type QueueBackend, type Service, startService } from '../support/service.ts';
import { createFolder, createUser, share, type TestFolder, type TestUser } from '../support/users.ts';
import { noteRequest } from './inventory.ts';
import { checkEveryAnswer } from './rules.ts';

/** What the parts of the contract suite play on: one running service, usable inside hooks and tests. */
export interface Stage {
  readonly backend: QueueBackend;
  readonly service: Service;
  /** `METHOD path` of every request so far. */
  readonly requests: ReadonlySet<string>;
}

/** Starts one service for a backend before the first test, and stops it after the last. */
export function openStage(backend: QueueBackend): Stage {
  const requests = new Set<string>();
  let service: Service | undefined;
  beforeAll(async () => {
    service = await startService({
      backend,
      witness: (method, path, answer) => {
        noteRequest(requests, method, path);
        checkEveryAnswer(method, path, answer);
      },
    });
  });
  afterAll(() => service?.stop());
  return {
    backend,
    requests,
    get service() {
      if (service === undefined) throw new Error('The service runs only inside hooks and tests.');
      return service;
    },
  };
}

/** Two people of one describe block: `ada` owns things, `bob` is somebody else. Fresh for each block. */
export interface People {
  readonly ada: TestUser;
  readonly bob: TestUser;
}

/** Makes the people of a block before its tests. */
export function usePeople(stage: Stage): People {
  let people: People | undefined;
  beforeAll(async () => {
    people = { ada: await createUser(stage.service, 'ada'), bob: await createUser(stage.service, 'bob') };
  });
  const present = (): People => {
    if (people === undefined) throw new Error('People exist only inside tests.');
    return people;
  };
  return {
    get ada() {
      return present().ada;
    },
    get bob() {
      return present().bob;
    },
  };
}

/** A folder of ada's, fresh for each test. */
export interface FolderOfAda {
  readonly folder: TestFolder;
  /** Ada's client. */
  readonly ada: Client;
}

/** Makes a folder of ada's before each test of a block. */
export function useFolder(people: People): FolderOfAda {
  let folder: TestFolder | undefined;
  beforeEach(async () => {
    folder = await createFolder(people.ada.client);
  });
  return {
    get folder() {
      if (folder === undefined) throw new Error('The folder exists only inside tests.');
      return folder;
    },
    get ada() {
      return people.ada.client;
    },
  };
}

/** Makes a folder of ada's that bob is a member of. */
export async function sharedFolder(people: People, permission: 'ro' | 'rw' | 'rd'): Promise<TestFolder> {
  const folder = await createFolder(people.ada.client);
  await share(folder, people.ada.client, { user: people.bob, permission });
  return folder;
}
