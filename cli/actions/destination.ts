import type { VFolderClient } from '../../client/client.ts';
import { type Address, formatPlace } from '../address.ts';
import { usageError } from '../exit-codes.ts';

/** Whether a destination in a folder is a directory that things are put into, and not the name they get. @throws a usage error */
export async function isInto(
  client: VFolderClient,
  destination: Extract<Address, { kind: 'remote' }>,
  sourceCount: number,
): Promise<boolean> {
  if (destination.path === '' || destination.isDirectory) return true;
  const found = await client.files.stat(destination);
  if (sourceCount > 1 && found?.type === 'file')
    throw usageError(`${formatPlace(destination)} is no directory.`);
  return sourceCount > 1 || found?.type === 'directory';
}
