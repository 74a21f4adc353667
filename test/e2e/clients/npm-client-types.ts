/** Requests of the published JavaScript client about folders; it has no types of its own. All resolve with the parsed answer. */
export interface VFolder {
  name: string | null;
  list_allowed_types(): Promise<unknown>;
  list_hosts(): Promise<unknown>;
  create(
    name: string,
    host?: string,
    group?: string,
    usageMode?: string,
    permission?: string,
    cloneable?: boolean,
  ): Promise<unknown>;
  clone(input: Readonly<Record<string, unknown>>, name: string): Promise<unknown>;
  update_folder(input: Readonly<Record<string, unknown>>, name: string): Promise<unknown>;
  list(groupId?: string): Promise<unknown>;
  info(name: string): Promise<unknown>;
  rename(newName: string): Promise<unknown>;
  delete(name: string): Promise<unknown>;
  leave_invited(name: string): Promise<unknown>;
  upload(path: string, content: Blob, name: string): Promise<unknown>;
  uploadFormData(form: FormData, name: string): Promise<unknown>;
  create_upload_session(path: string, content: Blob, name: string): Promise<string>;
  mkdir(path: string, name: string, parents?: boolean, existOk?: boolean): Promise<unknown>;
  rename_file(path: string, newName: string, name: string, isDirectory?: boolean): Promise<unknown>;
  delete_files(files: readonly string[], recursive: boolean, name: string): Promise<unknown>;
  download(file: string, name: string, archive?: boolean): Promise<Blob | Response>;
  request_download_token(file: string, name: string, archive?: boolean): Promise<unknown>;
  download_with_token(token: string): Promise<Blob>;
  get_download_url_with_token(token: string): string;
  list_files(path: string, name: string): Promise<unknown>;
  invite(permission: string, emails: readonly string[], name: string): Promise<unknown>;
  invitations(): Promise<unknown>;
  accept_invitation(id: string): Promise<unknown>;
  delete_invitation(id: string): Promise<unknown>;
  list_invitees(folderId?: string): Promise<unknown>;
  modify_invitee_permission(input: Readonly<Record<string, unknown>>): Promise<unknown>;
  share(permission: string, emails: readonly string[], name: string): Promise<unknown>;
  unshare(emails: readonly string[], name: string): Promise<unknown>;
}

/** A client of one keypair; it gives a request five seconds unless told otherwise. */
export interface PublishedClient {
  requestTimeout: number;
  readonly vfolder: VFolder;
  get_manager_version(): Promise<string>;
  readonly apiVersion: string | null;
  query(query: string, variables: Readonly<Record<string, unknown>>): Promise<unknown>;
}

/** What the package exports, as far as tests use it. */
export interface PublishedPackage {
  readonly ClientConfig: new (accessKey: string, secretKey: string, endpoint: string) => object;
  readonly Client: new (config: object, agentSignature?: string) => PublishedClient;
}
