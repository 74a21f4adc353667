/** A state word as the fact it stands for; `undefined` stays. */
export function isOn(state: 'active' | 'inactive' | undefined): boolean | undefined {
  return state === undefined ? undefined : state === 'active';
}
