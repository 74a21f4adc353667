/** The groups of operations in the API document, in its order, each with what belongs to it. */
export const tags = {
  Folders: 'Making, finding, renaming, cloning and deleting folders.',
  Files: 'Reading, writing, moving and deleting what is in a folder.',
  Resumable: 'Uploads that go on where they broke off, by tus 1.0.0.',
  Transfers: 'Transfers without credentials, by a token.',
  Links: 'Links that let others download or upload, without credentials.',
  Archives: 'Archives that a job builds for download.',
  Mounts: 'Folders that compute sessions mount.',
  Sharing: 'Invitations and members of folders.',
  Jobs: 'Background work.',
  Account: 'Signing in, and tokens of the caller.',
  Administration: 'For administrators.',
  Service: 'What runs here, and whether it is well.',
  Clients: 'Other ways to ask, for published clients.',
} as const;

/** One of {@link tags}. */
export type Tag = keyof typeof tags;
