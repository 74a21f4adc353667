import type { Right } from './permission.ts';
import { tokenFormOf } from './secret-token.ts';

/** What a link is for: to read what it leads to, or to put new files there. */
export const linkKinds = ['download', 'upload'] as const;

/** One of {@link linkKinds}. */
export type LinkKind = (typeof linkKinds)[number];

/** The right that whoever makes a link needs on its folder, then and at each use. */
export const linkRights: Readonly<Record<LinkKind, Right>> = { download: 'read', upload: 'write' };

/** Tokens of links: `vf_lnk_…`. */
export const linkTokenForm = tokenFormOf('vf_lnk_');

/** How long a link may last unless the installation says otherwise. */
export const linkDaysDefault = 365;
/** Links of one user that have not expired. */
export const linksMax = 1_000;
/** Most uses that a link can be limited to. */
export const linkUsesMax = 1_000_000;
/** A password of a link, in characters. */
export const linkPasswordCharacters = { min: 8, max: 256 } as const;

/** Wrong passwords for one link, from wherever they come, in a window. */
export const linkGuesses = { max: 20, windowSeconds: 900 } as const;

/** For how long the same address may fetch parts of a content that it began to fetch. */
export const linkResumeHours = 24;

/** How a link stands; `blocked` when its maker may not do any more what it is for, or what it was made with is switched off. */
export const linkStates = ['active', 'expired', 'used_up', 'blocked'] as const;

/** One of {@link linkStates}. */
export type LinkState = (typeof linkStates)[number];

/** How a link stands by what is known of it. */
export function linkStateOf(link: {
  readonly isExpired: boolean;
  readonly isPermitted: boolean;
  readonly uses: number;
  readonly usesMax: number | null;
}): LinkState {
  if (link.isExpired) return 'expired';
  if (link.usesMax !== null && link.uses >= link.usesMax) return 'used_up';
  return link.isPermitted ? 'active' : 'blocked';
}
