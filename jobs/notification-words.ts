/** The word that makes the worker of a running job look at its row at once. The other words are states. */
export const cancelWord = 'cancel';

/** The word that makes a worker process, named by its own id, look at its row at once. */
export const beatWord = 'beat';
