import type { RequestRecord, TransferProtocol } from '../../domain/request-record.ts';

/** Where requests are counted; the main hands it in. Neither call may throw or wait. */
export interface RequestMetrics {
  /** An upload begins. @returns what says that it is over */
  uploadBegan(): () => void;
  ended(request: RequestRecord): void;
}

/** Tells how the content of a transfer travels from what its route is. */
export function protocolOf(route: { readonly method: string; readonly path: string }): TransferProtocol {
  if (route.path.startsWith('/l/')) return 'link';
  if (route.method === 'PATCH' || route.path.startsWith('/uploads')) return 'tus';
  if (route.method === 'PUT') return 'put';
  if (route.method === 'POST') return 'multipart';
  return route.path.includes('archive') ? 'archive' : 'download';
}

/** A route's pattern as the documents write it: `/folders/:name/files/*path`. */
export function patternOf({ path }: { readonly path: string }): string {
  return path.replace(':path{.+}', '*path');
}
