import { openGun } from './http.ts';
import type { BenchService } from './service.ts';
import { bytesOf, sendStream } from './stream.ts';

const partBytes = 64 * 1024 * 1024;

/** A file to send to the folder `bench` of a service. */
export interface UploadToSend {
  readonly service: Pick<BenchService, 'port' | 'authorization'>;
  readonly sizeBytes: number;
}

/** Sends it as the body of a PUT, to `put.bin`. @returns milliseconds */
export function putFile({ service, sizeBytes }: UploadToSend): Promise<number> {
  return sendStream({
    port: service.port,
    method: 'PUT',
    path: '/folders/bench/files/put.bin',
    headers: { authorization: service.authorization, 'content-length': sizeBytes },
    body: bytesOf(sizeBytes),
  });
}

/** Sends it as the only part of a form, to `multi.bin`. @returns milliseconds */
export function postMultipart({ service, sizeBytes }: UploadToSend): Promise<number> {
  const boundary = 'bench-boundary';
  const head = Buffer.from(
    `--${boundary}\r\nContent-Disposition: form-data; name="src"; filename="multi.bin"\r\n\r\n`,
  );
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  return sendStream({
    port: service.port,
    method: 'POST',
    path: '/folders/bench/upload',
    headers: {
      authorization: service.authorization,
      'content-type': `multipart/form-data; boundary=${boundary}`,
      'content-length': head.length + sizeBytes + tail.length,
    },
    body: bytesOf(sizeBytes, { head, tail }),
  });
}

/** Sends it as a resumable upload in parts of 64 MiB, to `tus.bin`. @returns milliseconds */
export async function postTus({ service, sizeBytes }: UploadToSend): Promise<number> {
  const base = { authorization: service.authorization, 'tus-resumable': '1.0.0' };
  const gun = openGun(service.port, 1);
  const startedAt = performance.now();
  const encode = (text: string) => Buffer.from(text).toString('base64');
  const made = await gun.fire({
    method: 'POST',
    path: '/uploads',
    headers: {
      ...base,
      'upload-length': sizeBytes,
      'upload-metadata': `folder ${encode('bench')},path ${encode('tus.bin')}`,
    },
  });
  gun.close();
  if (made.status !== 201)
    throw new Error(`POST /uploads answers ${made.status}: ${made.body.toString('utf8')}`);
  const { pathname, search } = new URL(made.headers.location ?? '', 'http://service');
  for (let offset = 0; offset < sizeBytes; offset += partBytes) {
    const size = Math.min(partBytes, sizeBytes - offset);
    await sendStream({
      port: service.port,
      method: 'PATCH',
      path: `${pathname}${search}`,
      headers: {
        ...base,
        'upload-offset': offset,
        'content-type': 'application/offset+octet-stream',
        'content-length': size,
      },
      body: bytesOf(size),
    });
  }
  return performance.now() - startedAt;
}
