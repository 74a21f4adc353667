import type { Permission } from '../../domain/permission.ts';

/** A permission in the words of published clients, which say `wd` for read, write and delete. */
export type ClientPermission = 'ro' | 'rw' | 'wd';

/** Says a permission in the words of published clients. */
export function toClientPermission(permission: Permission): ClientPermission {
  return permission === 'rd' ? 'wd' : permission;
}

/** The same value with its `permission`, and `perm` where it has one, in the words of published clients. */
export function withClientPermission<T extends { readonly permission: Permission }>(
  value: T,
): Omit<T, 'permission' | 'perm'> & { permission: ClientPermission; perm: ClientPermission } {
  const permission = toClientPermission(value.permission);
  return { ...value, permission, perm: permission };
}
