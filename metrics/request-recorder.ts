import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { RequestRecord } from '../domain/request-record.ts';

/** Counts requests. */
export interface RequestRecorder {
  uploadBegan(): () => void;
  ended(request: RequestRecord): void;
}

/** Callers choose the method, by `X-Method-Override` even its letters: what is not one of these shares a label. */
const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

const secondsBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120];

/** Makes the recorder of requests. Labels come from routes and words of ours alone, so their number is bounded. */
export function makeRequestRecorder(registry: Registry): RequestRecorder {
  const registers = [registry];
  const durations = new Histogram({
    name: 'vfolder_http_request_duration_seconds',
    help: 'Time from the head of a request to the end of its answer, by route pattern; status is "aborted" when the client left first.',
    labelNames: ['method', 'route', 'status'],
    buckets: secondsBuckets,
    registers,
  });
  const uploaded = new Counter({
    name: 'vfolder_upload_bytes_total',
    help: 'Bytes of request bodies that carried content.',
    labelNames: ['protocol'],
    registers,
  });
  const downloaded = new Counter({
    name: 'vfolder_download_bytes_total',
    help: 'Bytes of answers that carried content.',
    labelNames: ['protocol'],
    registers,
  });
  const active = new Gauge({ name: 'vfolder_uploads_active', help: 'Uploads being received.', registers });
  return {
    uploadBegan: () => {
      active.inc();
      return () => active.dec();
    },
    ended: ({ method, route, status, isAborted, seconds, transfer }) => {
      durations.observe(
        {
          method: methods.has(method) ? method : 'other',
          route: route ?? 'none',
          status: isAborted ? 'aborted' : String(status),
        },
        seconds,
      );
      if (transfer === undefined) return;
      const { protocol, bytesIn, bytesOut } = transfer;
      if (bytesIn > 0) uploaded.inc({ protocol }, bytesIn);
      if (bytesOut > 0) downloaded.inc({ protocol }, bytesOut);
    },
  };
}
