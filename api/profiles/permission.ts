import type { Permission } from '../../domain/permission.ts';

/** A permission in the words of published clients, which say `wd` for read, write and delete. */
export type ClientPermission = 'ro' | 'rw' | 'wd';

/** Says a permission in the words of published clients. */
export function toClientPermission(permission: Permission): ClientPermission {
  return permission === 'rd' ? 'wd' : permission;
}

type ClientWords<T> = Omit<T, 'permission' | 'perm' | 'default_permission'> & {
  readonly permission: ClientPermission;
  readonly perm: ClientPermission;
};

/** The same value with its permissions in the words of published clients, the one that counts also as `perm`. */
export function withClientPermission<
  T extends { readonly permission: Permission; readonly default_permission?: Permission },
>(value: T): ClientWords<T> {
  const permission = toClientPermission(value.permission);
  const { default_permission: offered } = value;
  return {
    ...value,
    permission,
    perm: permission,
    ...(offered === undefined ? {} : { default_permission: toClientPermission(offered) }),
  };
}
