import { canTraverse } from '../../runtime/postgres/account.ts';

/** Whether the tests are run by root, whom permissions do not keep out. */
export const isRoot = process.getuid?.() === 0;

/** A user without a name, for programs that root starts as somebody else. */
export const stranger = { uid: 54_321, gid: 54_321 };

/** Whether programs may be started as the stranger; a checkout below root's private home has no other users. */
export const hasOtherUsers = isRoot && (await canTraverse(import.meta.dirname, stranger));
