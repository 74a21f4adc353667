import { type LinkPasswords, openLinkPasswords } from './passwords.ts';
import { type LinkUses, openLinkUses } from './uses.ts';
import { type LinkWalks, openLinkWalks } from './walks.ts';

/** What the uses of links share in a process, so that whoever has one takes no more than their part of it. */
export interface LinkBounds {
  readonly passwords: LinkPasswords;
  readonly uses: LinkUses;
  readonly walks: LinkWalks;
}

/** Opens the bounds of a process. */
export function openLinkBounds(): LinkBounds {
  return { passwords: openLinkPasswords(), uses: openLinkUses(), walks: openLinkWalks() };
}
