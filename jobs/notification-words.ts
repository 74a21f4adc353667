/** The word that makes the worker of a running job look at its row at once. The other words are states. */
export const cancelWord = 'cancel';

/** The word that makes a worker process, named by its own id, look at its row at once. */
export const beatWord = 'beat';

/** What is told about the states of volumes goes under this name, in place of the id of a job. */
export const volumesTopic = 'volumes';

/** What is told about the session of a browser goes under this name; `hash` is what is stored of it. */
export function sessionTopic(hash: string): string {
  return `session:${hash}`;
}

/** The word that makes every process look anew at the states of the volumes, or at a session. */
export const changedWord = 'changed';
