import { signRequest } from '../domain/signature.ts';
import type { Shot } from './http.ts';
import type { BenchService } from './service.ts';

/** A GET of `target` as published clients sign it. */
export function signedGet(service: BenchService, target: string): Shot {
  const date = new Date().toISOString();
  const request = {
    method: 'GET',
    target,
    date,
    host: `127.0.0.1:${service.port}`,
    contentType: 'application/json',
    versionHeader: 'x-backendai-version',
    version: '',
    bodyHash: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  };
  const dayKey = date.slice(0, 10).replaceAll('-', '');
  const signature = signRequest(request, { secret: service.secretKey, dayKey });
  return {
    method: 'GET',
    path: target,
    headers: {
      authorization: `BackendAI signMethod=HMAC-SHA256, credential=${service.accessKey}:${signature}`,
      'content-type': 'application/json',
      'x-backendai-date': date,
    },
  };
}
