/** What a member may do: read; also write; also delete files. The owner holds `rd` and everything else. */
export const permissions = ['ro', 'rw', 'rd'] as const;

/** One of {@link permissions}. */
export type Permission = (typeof permissions)[number];

/** A right that an operation asks for. `own` belongs to the folder's owner alone. */
export type Right = 'read' | 'write' | 'delete' | 'own';

const granted: Readonly<Record<Permission, readonly Right[]>> = {
  ro: ['read'],
  rw: ['read', 'write'],
  rd: ['read', 'write', 'delete'],
};

/** Reads a permission as callers write it: `wd` is an alias of `rd`. Anything else is `undefined`. */
export function parsePermission(raw: string): Permission | undefined {
  if (raw === 'wd') return 'rd';
  return permissions.find((permission) => permission === raw);
}

/** Tells whether a member with `permission` (or the owner) holds `right`. */
export function holdsRight(
  member: { readonly permission: Permission; readonly isOwner: boolean },
  right: Right,
): boolean {
  return member.isOwner || granted[member.permission].includes(right);
}
