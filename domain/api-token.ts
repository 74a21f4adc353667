import { tokenFormOf } from './secret-token.ts';

/** What a token may be used for: `read` alone never changes anything. */
export const tokenScopes = ['read', 'write'] as const;

/** One of {@link tokenScopes}. */
export type TokenScope = (typeof tokenScopes)[number];

/** API tokens: `vf_pat_…`. */
export const apiTokenForm = tokenFormOf('vf_pat_');
