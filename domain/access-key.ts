/** Access keys are printable ASCII; Postgres refuses some other texts outright, so these are never looked up. */
export function isAccessKeyForm(text: string): boolean {
  return /^[\x21-\x7e]{1,128}$/.test(text);
}
