/** Versions of the published API that clients negotiate, oldest first; what they agree on decides which routes they use. */
export const apiVersions = [
  'v4.20190615',
  'v5.20191215',
  'v6.20200815',
  'v6.20210815',
  'v6.20220315',
  'v6.20220615',
  'v6.20230315',
  'v7.20230615',
  'v8.20240315',
  'v8.20240915',
  'v9.20250722',
] as const;

/** One of {@link apiVersions}. */
export type ApiVersion = (typeof apiVersions)[number];

/** The lowest version that today's clients accept without a warning; older ones settle for their own. */
export const apiVersionDefault: ApiVersion = 'v7.20230615';
