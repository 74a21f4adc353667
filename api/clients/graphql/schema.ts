import { buildSchema } from 'graphql';

/** What clients can ask: the part of the published schema that is about folders. */
export const schema = buildSchema(/* GraphQL */ `
  scalar UUID
  scalar BigInt
  scalar DateTime

  type Query {
    vfolder(id: String, domain_name: String, group_id: UUID): VirtualFolder
    vfolder_list(limit: Int!, offset: Int!, filter: String, order: String, domain_name: String, group_id: UUID, access_key: String): VirtualFolderList
    vfolder_own_list(limit: Int!, offset: Int!, filter: String, order: String, domain_name: String, access_key: String): VirtualFolderList
    vfolder_invited_list(limit: Int!, offset: Int!, filter: String, order: String, domain_name: String, access_key: String): VirtualFolderList
    vfolder_project_list(limit: Int!, offset: Int!, filter: String, order: String, domain_name: String, access_key: String): VirtualFolderList
  }

  type VirtualFolderList {
    items: [VirtualFolder]!
    total_count: Int!
  }

  type VirtualFolder {
    id: UUID
    host: String
    quota_scope_id: String
    name: String
    user: UUID
    user_email: String
    group: UUID
    group_name: String
    creator: String
    domain_name: String
    unmanaged_path: String
    usage_mode: String
    permission: String
    ownership_type: String
    max_files: BigInt
    max_size: BigInt
    created_at: DateTime
    last_used: DateTime
    num_files: BigInt
    cur_size: BigInt
    cloneable: Boolean
    status: String
  }
`);
