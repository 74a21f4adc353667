import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';

/**
 * The least that a durable transfer takes: PUT gathers the socket's chunks into 1 MiB, hashes (SHA-256, CRC-32), writes
 * each batch by one writev and syncs; GET pipes the file. No authentication, no database, no limits.
 */
const directory = process.env.DIRECTORY ?? '';
const batchBytes = 1024 * 1024;

async function put(incoming: IncomingMessage, outgoing: ServerResponse, path: string): Promise<void> {
  const file = await open(path, 'w');
  const hash = createHash('sha256');
  let checksum = 0;
  let batch: Buffer[] = [];
  let gathered = 0;
  const flush = async () => {
    for (const chunk of batch) {
      hash.update(chunk);
      checksum = crc32(chunk, checksum);
    }
    if (gathered > 0) await file.writev(batch);
    batch = [];
    gathered = 0;
  };
  for await (const chunk of incoming) {
    batch.push(chunk);
    gathered += chunk.length;
    if (gathered >= batchBytes) await flush();
  }
  await flush();
  await file.sync();
  await file.close();
  outgoing.writeHead(201).end(JSON.stringify({ sha256: hash.digest('hex'), crc32: checksum }));
}

const server = createServer({ highWaterMark: batchBytes }, (incoming, outgoing) => {
  const path = join(directory, new URL(incoming.url ?? '/', 'http://bare').pathname.slice(1));
  if (incoming.method === 'PUT') void put(incoming, outgoing, path);
  else createReadStream(path, { highWaterMark: 256 * 1024 }).pipe(outgoing);
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`listening on ${typeof address === 'object' ? address?.port : ''}\n`);
});
