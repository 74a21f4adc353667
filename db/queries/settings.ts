import { eq } from 'drizzle-orm';
import type { Executor } from '../client.ts';
import { settings } from '../schema/settings.ts';

/** Facts the installation remembers about itself. */
export type SettingName = 'encryption_key_fingerprint' | 'admin_keypair_applied';

/** Stores `value` unless the setting has one already. @returns the stored value; those who come at once get the same */
export async function claimSetting(db: Executor, name: SettingName, value: string): Promise<string> {
  await db.insert(settings).values({ name, value }).onConflictDoNothing();
  const [row] = await db.select({ value: settings.value }).from(settings).where(eq(settings.name, name));
  return row?.value ?? value;
}

/** Stores a value in place of the one before. */
export async function putSetting(db: Executor, name: SettingName, value: string): Promise<void> {
  await db
    .insert(settings)
    .values({ name, value })
    .onConflictDoUpdate({ target: settings.name, set: { value } });
}

/** The stored value; `null` when there is none. */
export async function findSetting(db: Executor, name: SettingName): Promise<string | null> {
  const [row] = await db.select({ value: settings.value }).from(settings).where(eq(settings.name, name));
  return row?.value ?? null;
}
