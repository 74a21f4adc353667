import type { Permission } from './permission.ts';

/** What a folder is meant for; published clients show it and filter by it, the service treats all alike. */
export const usageModes = ['general', 'model', 'data'] as const;

/** One of {@link usageModes}. */
export type UsageMode = (typeof usageModes)[number];

/**
 * What an owner may choose for a folder. `cloneable` lets every member make a folder of their own from its content;
 * `permission` is what an invitation offers that names none.
 */
export interface FolderOptions {
  readonly usageMode: UsageMode;
  readonly cloneable: boolean;
  readonly permission: Permission;
}

/** The options of a folder whose owner chose none. */
export const usualOptions: FolderOptions = { usageMode: 'general', cloneable: false, permission: 'rw' };
