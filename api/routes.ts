import { adminRoutes } from './admin/routes.ts';
import { archiveRoutes } from './archives/routes.ts';
import { auditRoutes } from './audit/routes.ts';
import { clientRoutes } from './clients/routes.ts';
import { contentRoutes } from './contents/routes.ts';
import { dashboardRoutes } from './dashboard/routes.ts';
import { deletionRoutes } from './deletions/routes.ts';
import { downloadRoutes } from './downloads/routes.ts';
import { entryRoutes } from './entries/routes.ts';
import { folderFileRoutes } from './folders/files/routes.ts';
import { memberRoutes } from './folders/members/routes.ts';
import { folderRoutes } from './folders/routes.ts';
import { hostRoutes } from './hosts/routes.ts';
import { invitationRoutes } from './invitations/routes.ts';
import { jobRoutes } from './jobs/routes.ts';
import { keypairRoutes } from './keypairs/routes.ts';
import { openLinkBounds } from './links/bounds.ts';
import { linkRoutes } from './links/routes.ts';
import { meRoutes } from './me/routes.ts';
import { mountRoutes } from './mounts/routes.ts';
import { describingRoutes } from './openapi/routes.ts';
import { policyRoutes } from './policies/routes.ts';
import { problemRoutes } from './problems/routes.ts';
import { queueSettingsRoutes } from './queue-settings/routes.ts';
import { quotaRoutes } from './quota/routes.ts';
import type { Route } from './route.ts';
import { serviceRoutes } from './service/routes.ts';
import { sessionRoutes } from './sessions/routes.ts';
import { tokenRoutes } from './tokens/routes.ts';
import { transferRoutes } from './transfers/routes.ts';
import { trashRoutes } from './trash/routes.ts';
import { openDigestCache } from './tus/digests.ts';
import { tusRoutes } from './tus/routes.ts';
import { uploadRoutes } from './uploads/routes.ts';
import { usageRoutes } from './usage/routes.ts';
import { volumeRoutes } from './volumes/routes.ts';
import { workerRoutes } from './workers/routes.ts';

const digests = openDigestCache();
const linkBounds = openLinkBounds();

/** Every route of the service; what is not listed here does not exist. Order does not matter. */
export const routes: readonly Route[] = [
  ...serviceRoutes,
  ...problemRoutes,
  ...adminRoutes,
  ...keypairRoutes,
  ...meRoutes,
  ...policyRoutes,
  ...auditRoutes,
  ...quotaRoutes,
  ...sessionRoutes,
  ...dashboardRoutes,
  ...queueSettingsRoutes,
  ...workerRoutes,
  ...volumeRoutes,
  ...tokenRoutes,
  ...jobRoutes,
  ...folderRoutes,
  ...folderFileRoutes,
  ...entryRoutes,
  ...contentRoutes,
  ...trashRoutes,
  ...memberRoutes,
  ...invitationRoutes,
  ...uploadRoutes,
  ...tusRoutes(digests),
  ...transferRoutes(digests),
  ...linkRoutes(linkBounds),
  ...downloadRoutes,
  ...archiveRoutes,
  ...mountRoutes,
  ...deletionRoutes,
  ...usageRoutes,
  ...hostRoutes,
  ...clientRoutes,
  ...describingRoutes(() => routes),
];
