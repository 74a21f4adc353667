import { expect, it } from 'vitest';
import { apiTokenForm } from '../../domain/api-token.ts';
import { linkTokenForm } from '../../domain/link.ts';
import { tokenDigest } from '../../domain/secret-token.ts';

const forms = { vf_pat_: apiTokenForm, vf_lnk_: linkTokenForm };

it.each(Object.entries(forms))('tells tokens that begin with %s from all others', (prefix, form) => {
  const token = form.make();
  expect(token).toMatch(new RegExp(`^${prefix}[\\w-]{49}$`));
  expect(form.isFormOf(token)).toBe(true);
  expect(form.make()).not.toBe(token);
  for (const other of Object.values(forms)) expect(other.isFormOf(token)).toBe(other === form);
  const flipped = token.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'));
  for (const wrong of ['', prefix, `${token}x`, token.slice(0, -1), ` ${token}`, `${token}\n`, flipped])
    expect(form.isFormOf(wrong), wrong).toBe(false);
  expect(tokenDigest(token)).toMatch(/^[0-9a-f]{64}$/);
});
