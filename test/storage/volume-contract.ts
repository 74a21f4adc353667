import { afterEach, beforeEach, describe } from 'vitest';
import { describeArchives } from './contract/archives.ts';
import { describeCopying } from './contract/copying.ts';
import { describeEntries } from './contract/entries.ts';
import { describeFolders } from './contract/folders.ts';
import { describeListing } from './contract/listing.ts';
import { describeLookups } from './contract/lookups.ts';
import { describeSortedListing } from './contract/sorted-listing.ts';
import { describeStageParts } from './contract/stage-parts.ts';
import { describeStaging } from './contract/staging.ts';
import { describeTrash } from './contract/trash.ts';
import { describeWalking } from './contract/walking.ts';
import type { OpenTestVolume, TestVolume } from './test-volume.ts';

/** The promises of storage/volume.ts as tests; every implementation, and every wrapper, runs them all. */
export function describeVolumeContract(name: string, open: OpenTestVolume): void {
  describe(`${name} keeps the volume contract`, () => {
    let current: TestVolume | undefined;
    const test = (): TestVolume => {
      if (current === undefined) throw new Error('The volume is opened before each test.');
      return current;
    };
    beforeEach(async () => {
      current = await open();
    });
    afterEach(async () => {
      await current?.close();
      current = undefined;
    });
    describe('folders', () => describeFolders(test));
    describe('staging', () => describeStaging(test));
    describe('lookups', () => describeLookups(test));
    describe('staging in parts', () => describeStageParts(test));
    describe('entries', () => describeEntries(test));
    describe('listing', () => describeListing(test));
    describe('sorted listing', () => describeSortedListing(test));
    describe('walking', () => describeWalking(test));
    describe('copying', () => describeCopying(test));
    describe('trash', () => describeTrash(test));
    describe('archives', () => describeArchives(test));
  });
}
