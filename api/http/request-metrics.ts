/** How content travels: as a raw body, in a form, in pieces that can be resumed, or out as files or archives. */
export const transferProtocols = ['put', 'multipart', 'tus', 'download', 'archive'] as const;

/** One of {@link transferProtocols}. */
export type TransferProtocol = (typeof transferProtocols)[number];

/** A request that is over. */
export interface CountedRequest {
  readonly method: string;
  /** Pattern, such as `/folders/:name`; `undefined` when none matched. */
  readonly route: string | undefined;
  readonly status: number;
  /** The connection closed before the answer was complete. */
  readonly isAborted: boolean;
  readonly seconds: number;
  /** Set for requests that carry content of entries. */
  readonly transfer:
    | { readonly protocol: TransferProtocol; readonly bytesIn: number; readonly bytesOut: number }
    | undefined;
}

/** Where requests are counted; the main hands it in. Neither call may throw or wait. */
export interface RequestMetrics {
  /** An upload begins. @returns what says that it is over */
  uploadBegan(): () => void;
  ended(request: CountedRequest): void;
}

/** Tells how the content of a transfer travels from what its route is. */
export function protocolOf(route: { readonly method: string; readonly path: string }): TransferProtocol {
  if (route.method === 'PATCH' || route.path.startsWith('/uploads')) return 'tus';
  if (route.method === 'PUT') return 'put';
  if (route.method === 'POST') return 'multipart';
  return route.path.includes('archive') ? 'archive' : 'download';
}

/** A route's pattern as the documents write it: `/folders/:name/files/*path`. */
export function patternOf({ path }: { readonly path: string }): string {
  return path.replace(':path{.+}', '*path');
}
