/** The word that makes the worker of a running job look at its row at once. The other words are states. */
export const cancelWord = 'cancel';
