import { describe } from 'vitest';
import type { QueueBackend } from '../support/service.ts';
import { describeAdmin } from './admin.ts';
import { describeApis } from './apis.ts';
import { describeAuth } from './auth.ts';
import { describeContents } from './contents.ts';
import { describeCopies } from './copies.ts';
import { describeDeletions } from './deletions.ts';
import { describeDownloads } from './downloads.ts';
import { describeFiles } from './files.ts';
import { describeFolders } from './folders.ts';
import { describeInventory } from './inventory.ts';
import { describeJobs } from './jobs.ts';
import { describeMoves } from './moves.ts';
import { describeNames } from './names.ts';
import { describeNasty } from './nasty.ts';
import { describeOwnership } from './ownership.ts';
import { describePermissions } from './permissions.ts';
import { describeSharing } from './sharing.ts';
import { openStage } from './stage.ts';
import { describeTrash } from './trash.ts';
import { describeTrees } from './trees.ts';
import { describeUploads } from './uploads.ts';

/** The whole contract against one running service whose queues lie on `backend`. */
export function describeContract(backend: QueueBackend): void {
  const stage = openStage(backend);
  describe('folders', () => describeFolders(stage));
  describe('files', () => describeFiles(stage));
  describe('uploads', () => describeUploads(stage));
  describe('downloads', () => describeDownloads(stage));
  describe('deletions', () => describeDeletions(stage));
  describe('moves', () => describeMoves(stage));
  describe('copies', () => describeCopies(stage));
  describe('contents', () => describeContents(stage));
  describe('trees', () => describeTrees(stage));
  describe('trash', () => describeTrash(stage));
  describe('names', () => describeNames(stage));
  describe('sharing', () => describeSharing(stage));
  describe('ownership', () => describeOwnership(stage));
  describe('permissions', () => describePermissions(stage));
  describe('jobs', () => describeJobs(stage));
  describe('administration', () => describeAdmin(stage));
  describe('authentication', () => describeAuth(stage));
  describe('several processes', () => describeApis(stage));
  describe('nasty input', () => describeNasty(stage));
  describe('the inventory', () => describeInventory(stage.requests));
}
