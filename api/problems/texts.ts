import type { ErrorCode } from '../../domain/errors.ts';

/** What a refusal means, and what its caller can do about it. Backquotes mark code. */
export interface ProblemText {
  readonly meaning: string;
  readonly mend: string;
}

/** The words of `docs/PROBLEMS.md` for every code, for those who meet it over HTTP; status and title stand with `problemKinds`. */
export const problemTexts: Readonly<Record<ErrorCode, ProblemText>> = {
  request_malformed: {
    meaning:
      'A parameter is missing, of the wrong type or out of bounds, the body is not JSON, or its framing is not valid HTTP.',
    mend: 'Look at `errors`: each names the field and what it must be.',
  },
  request_timeout: {
    meaning: 'The body stopped arriving, or less than 30 KiB of it came in 30 seconds.',
    mend: 'Send it again over a steadier connection.',
  },
  headers_too_large: {
    meaning: 'The request line and headers exceed what the server accepts.',
    mend: 'Send fewer or shorter headers; put long lists into the JSON body.',
  },
  path_invalid: {
    meaning:
      'The path holds `..`, NUL, an empty or over-long component, or, for writes, a control character, a leading or trailing slash, `.` or a name reserved by storage systems.',
    mend: 'Send a relative path such as `data/numbers.txt`.',
  },
  name_invalid: {
    meaning:
      "A folder's name has 1 to 64 characters, no slash or backslash, no control character, no space at the ends, something to be seen, and is not a word the routes need.",
    mend: 'Choose another name.',
  },
  auth_required: {
    meaning: 'The route needs credentials and none came.',
    mend: 'Sign the request with a keypair, or send a token or Basic `access key:secret key`.',
  },
  auth_invalid: {
    meaning:
      'The `Authorization` or date header cannot be read, the date is off by more than the allowed skew, or a plain secret, which the password of a link is too, came over a connection that others can read.',
    mend: "Check the header's form and your clock; use HTTPS or the signature.",
  },
  auth_failed: {
    meaning:
      'The access key is unknown or switched off, or its proof is wrong; or the token is unknown, expired or revoked.',
    mend: 'Check the secret key, and that what was signed is what was sent.',
  },
  request_replayed: {
    meaning: 'A change was signed with its content, and that signature was used in the last 10 minutes.',
    mend: 'Sign it anew, with another date; `X-BackendAI-Date` in ISO 8601 may have milliseconds.',
  },
  admin_required: {
    meaning: 'The route is for administrators.',
    mend: "Use an administrator's keypair.",
  },
  origin_refused: {
    meaning:
      'A session of a browser, and `Basic` credentials that a browser sends again by itself, change something only from pages of the service; the buttons of the dashboard work from there only.',
    mend: "Sign the request with a keypair, or ask from the service's own page.",
  },
  scope_missing: {
    meaning: 'The token may only read, or the route needs a keypair.',
    mend: 'Use a token with the scope `write`, or a keypair.',
  },
  token_limit_reached: {
    meaning: 'You have 100 tokens that have not expired.',
    mend: '`DELETE /tokens/:id` revokes one.',
  },
  not_found: {
    meaning: 'There is no such thing, or you may not access it this way; which of the two is not told.',
    mend: 'Check the name, and ask the owner for a permission.',
  },
  method_not_allowed: {
    meaning: 'The path exists, but not with this method.',
    mend: '`Allow` lists the methods.',
  },
  body_too_large: {
    meaning:
      'The body exceeds the limit of its route, or a form holds more than 1 MiB, and 8 KiB for each of its files, besides the files.',
    mend: 'Send less per request.',
  },
  media_type_unsupported: {
    meaning: 'The body is not of the type the route reads.',
    mend: 'Send `application/json`, or `multipart/form-data` for uploads, without `Content-Encoding`.',
  },
  idempotency_in_flight: {
    meaning:
      'Another request with this `Idempotency-Key` is not done yet, or its process died less than 30 seconds ago.',
    mend: 'Try again after `Retry-After`, with the same key.',
  },
  idempotency_key_reused: {
    meaning: 'In the last 24 hours this `Idempotency-Key` came with another method, target or body.',
    mend: 'Make a new key for each change.',
  },
  rate_limited: {
    meaning: 'Too many requests in the window.',
    mend: 'Wait as long as `Retry-After` says.',
  },
  requests_busy: {
    meaning:
      'As many requests of this keypair (of this address, where no keypair is needed, as for transfers by token or link) are running, or as many uploads and downloads, as one API process serves it at once; as many parts of uploads to this folder are open as it takes; as many streams of events of this user; or of one link, or the links that one user makes, as many passwords are looked at, or listings and zips begun.',
    mend: 'Wait for one to end; share out fewer connections.',
  },
  folder_name_taken: {
    meaning: 'You already see a folder of that name, your own or a shared one.',
    mend: 'Choose another name; when accepting an invitation, pass `name`.',
  },
  folder_limit_reached: {
    meaning: 'You own as many folders as your policy allows.',
    mend: 'Delete one, or ask for a higher limit.',
  },
  folder_mounted: {
    meaning:
      'Sessions of its owner or its members, those who are switched off left out, have mounted the folder, and their leases have not lapsed; `sessions` says how many.',
    mend: 'End the sessions, or pass `force` to take the folder away under them.',
  },
  mounts_differ: {
    meaning: 'The session has mounted other folders, or the same ones in another way.',
    mend: '`DELETE /mounts/:session` ends what it has mounted; or name the session otherwise.',
  },
  mount_limit_reached: {
    meaning: 'You have 100 sessions with mounts whose leases have not lapsed.',
    mend: '`DELETE /mounts/:session` ends one.',
  },
  quota_exceeded: {
    meaning:
      'The folder has no room for the bytes, files or directories of this request: `resource` says which, beside `limit`, `used`, `reserved` and `requested`. 413 says that it could never fit, 507 that room may come back; with `Retry-After` another upload holds room at present, or a purge is freeing some. A folder may hold as many directories as files, and 10,000 at least.',
    mend: 'Delete something; what lies in the trash is free once its job has ended.',
  },
  archives_busy: {
    meaning: 'Up to 32 archives of one user wait or are built at the same time.',
    mend: 'Wait for one, or cancel its job.',
  },
  archive_limit_reached: {
    meaning: 'You have 1,000 archives, or 64 GiB of them.',
    mend: '`DELETE /archives/:id` removes one; they expire after a day.',
  },
  transfer_token_limit_reached: {
    meaning:
      'You have 100,000 tokens for uploads and downloads that have not expired, or 64 MiB of paths in them.',
    mend: 'Wait as long as `Retry-After` says, or transfer with your keypair, which needs no token.',
  },
  links_off: {
    meaning: 'Links to files and directories are switched off on this installation.',
    mend: 'Share the folder with a member instead, or ask the operator.',
  },
  link_limit_reached: {
    meaning: 'You have 1,000 links that have not expired.',
    mend: '`DELETE /links/:id` revokes one.',
  },
  link_password_required: {
    meaning: 'The link has a password, and none or a wrong one came.',
    mend: 'Send it by Basic authentication with any user name: `curl -u :password`.',
  },
  entry_not_found: {
    meaning: 'No entry has that path.',
    mend: 'List the directory above.',
  },
  entry_conflict: {
    meaning: 'A directory is where a file should go, or a file where a directory is needed.',
    mend: 'Choose another path, or delete what is there.',
  },
  entry_not_regular: {
    meaning:
      'The entry is a link, fifo, socket or device; such entries can be listed and deleted, never read.',
    mend: 'Read the file it stands for, if there is one.',
  },
  entry_changed: {
    meaning:
      'The file became shorter between being opened and being sent. Once an answer has begun it is cut instead, also when a file of a zip of known length changes.',
    mend: 'Ask again after `Retry-After`.',
  },
  directory_not_recursive: {
    meaning: 'A directory was to be deleted without `recursive`. Nothing was deleted.',
    mend: 'Pass `recursive: true`.',
  },
  digest_mismatch: {
    meaning: 'The bytes that arrived do not have the digest that came with them. Nothing was stored.',
    mend: 'Send them again.',
  },
  upload_aborted: {
    meaning: 'The upload ended before it was complete, or took so long that it was given up.',
    mend: 'Start it again.',
  },
  upload_empty: {
    meaning: 'The multipart body has no file part.',
    mend: 'Give each part a `filename`.',
  },
  upload_offset_mismatch: {
    meaning: '`Upload-Offset` is not what has arrived so far; `offset` says what has.',
    mend: 'Ask with HEAD and go on from there.',
  },
  upload_length_mismatch: {
    meaning: '`Upload-Length` contradicts what was said before, or what has arrived already.',
    mend: 'Begin a new upload.',
  },
  upload_unfinished: {
    meaning: '`upload` names a part that has not arrived whole.',
    mend: 'Send the rest of it, then join.',
  },
  upload_final: {
    meaning: 'It is joined from parts.',
    mend: 'Send bytes to parts, before they are joined.',
  },
  upload_gone: {
    meaning: 'It was terminated, its commit was refused, or nobody went on with it in time.',
    mend: 'Begin a new upload.',
  },
  upload_locked: {
    meaning: 'Another request brings bytes to this upload, or it is being put in its place.',
    mend: 'Let the other request end, or try again after `Retry-After`.',
  },
  checksum_mismatch: {
    meaning:
      "What was received has another digest than `Upload-Checksum` says; none of the request's bytes were kept.",
    mend: 'Send them again.',
  },
  tus_version_unsupported: {
    meaning: '`Tus-Resumable` is missing or names another version; `Tus-Version` lists what is spoken.',
    mend: 'Send `Tus-Resumable: 1.0.0`.',
  },
  precondition_failed: {
    meaning: 'The entry is not in the state that `If-Match`, `If-None-Match` or the like demands.',
    mend: 'Read it again and decide anew.',
  },
  range_not_satisfiable: {
    meaning: 'The range lies outside the content.',
    mend: '`Content-Range` has the size.',
  },
  invitee_missing: {
    meaning: '`user_ids` is missing or empty.',
    mend: 'Name at least one user by e-mail address or id.',
  },
  email_taken: {
    meaning: 'A user with that e-mail address exists.',
    mend: 'Use the existing user.',
  },
  last_admin: {
    meaning:
      'After the change nobody could administer the service: no active administrator with an active keypair would be left.',
    mend: 'Make another user an administrator with a keypair first.',
  },
  policy_taken: {
    meaning: 'A policy with this name exists.',
    mend: 'Choose another name, or `PATCH /admin/policies/:policy`.',
  },
  policy_in_use: {
    meaning: 'Users have it, or it is the one that always exists; `users` says how many.',
    mend: '`PATCH /admin/users/:id` gives them another policy first.',
  },
  permission_denied: {
    meaning: 'Shown as `not_found`: a permission is missing.',
    mend: 'Ask the owner for it.',
  },
  path_busy: {
    meaning: 'Another change of the same path is still in progress.',
    mend: 'Try again in a moment.',
  },
  job_not_cancellable: {
    meaning: 'The job has ended, or is of a kind that must be finished.',
    mend: 'Look at its state.',
  },
  job_not_retriable: {
    meaning:
      'It has not failed, an unfinished one does the same, or its kind has given back what another go would need (the staged bytes of an upload, say).',
    mend: 'Ask for the work anew.',
  },
  job_failed: {
    meaning: 'The job behind the request failed more often than it may.',
    mend: '`GET /jobs/:id` has the reason; tell the operator the request id.',
  },
  job_cancelled: {
    meaning: 'The job behind the request was cancelled.',
    mend: 'Send the request again if it was not meant.',
  },
  volume_full: {
    meaning:
      'The storage itself is full, whatever your quota. If it filled while the files of one upload were put in place, and stayed full for a minute, `errors` names those that are not, and `committed` says how many are.',
    mend: 'Tell the operator; try later.',
  },
  volume_read_only: {
    meaning:
      'Operators keep the storage of this folder as it is for a while: everything in it can be read, and nothing changed, deleted or built. What was accepted before is done afterwards.',
    mend: 'Try again later, or use a folder on another host.',
  },
  volume_draining: {
    meaning:
      'The host that you named, or every one there is, takes none at the moment; folders that are there work on.',
    mend: 'Name another host, or none; tell the operator when that is refused too.',
  },
  volume_not_allowed: {
    meaning:
      'Your policy names the hosts where you may make folders, and the host that you named is none of them.',
    mend: 'Name a host that `GET /folders/_/hosts` allows, or none; ask an administrator for more.',
  },
  volume_unavailable: {
    meaning:
      'The storage does not answer, or is not mounted; or, for a copy from one to another, no worker has both.',
    mend: 'Try again after `Retry-After`; tell the operator if it lasts.',
  },
  service_unavailable: {
    meaning: 'The database or another part cannot be reached, or the service is stopping.',
    mend: 'Try again after `Retry-After`.',
  },
  internal: {
    meaning: 'A mistake of ours.',
    mend: 'Tell the operator the request id.',
  },
};
