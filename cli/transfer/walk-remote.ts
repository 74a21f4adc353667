import type { VFolderClient } from '../../client/client.ts';
import type { Place } from '../../client/files.ts';
import type { Entry } from '../../client/models.ts';
import { joinPath } from '../address.ts';

/** An entry and its path below where the walk began. */
export interface WalkedEntry {
  readonly path: string;
  readonly entry: Entry;
}

/** Everything below a directory, each directory before what is in it. Links and the like are named, never followed. */
export async function* walkRemote(client: VFolderClient, place: Place): AsyncGenerator<WalkedEntry> {
  const open = [''];
  for (let below = open.pop(); below !== undefined; below = open.pop()) {
    const { folder } = place;
    for await (const entry of client.files.list({ folder, path: joinPath(place.path, below) })) {
      const path = joinPath(below, entry.name);
      yield { path, entry };
      if (entry.type === 'directory' && entry.is_addressable) open.push(path);
    }
  }
}
