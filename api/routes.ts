import { adminRoutes } from './admin/routes.ts';
import { jobRoutes } from './jobs/routes.ts';
import type { Route } from './route.ts';
import { serviceRoutes } from './service/routes.ts';

/** Every route of the service; what is not listed here does not exist. Order does not matter. */
export const routes: readonly Route[] = [...serviceRoutes, ...adminRoutes, ...jobRoutes];
