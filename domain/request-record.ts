/** How content travels: as a raw body, in a form, in pieces that can be resumed, out as files or archives, or by a link. */
export const transferProtocols = ['put', 'multipart', 'tus', 'download', 'archive', 'link'] as const;

/** One of {@link transferProtocols}. */
export type TransferProtocol = (typeof transferProtocols)[number];

/** A request that is over. */
export interface RequestRecord {
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
