/** The word that makes the worker of a running job look at its row at once. The other words are states. */
export const cancelWord = 'cancel';

/** The word that makes a worker process, named by its own id, look at its row at once. */
export const beatWord = 'beat';

/** What is told about the states of volumes goes under this name, in place of the id of a job. */
export const volumesTopic = 'volumes';

/** The word that makes every process read the states of the volumes anew. */
export const changedWord = 'changed';
