import type { Route } from '../route.ts';
import { downloadClientRoutes } from './download-routes.ts';
import { fileClientRoutes } from './file-routes.ts';
import { folderClientRoutes } from './folder-routes.ts';
import { graphqlRoutes } from './graphql/routes.ts';
import { serviceClientRoutes } from './service-routes.ts';
import { shareClientRoutes } from './share-routes.ts';
import { taskRoutes } from './task-events.ts';
import { trashClientRoutes } from './trash-routes.ts';

/** What only published clients ask; it answers everybody. */
export const clientRoutes: readonly Route[] = [
  ...serviceClientRoutes,
  ...folderClientRoutes,
  ...fileClientRoutes,
  ...taskRoutes,
  ...trashClientRoutes,
  ...downloadClientRoutes,
  ...shareClientRoutes,
  ...graphqlRoutes,
];
