/** The command is not carried out, and nothing was changed. The message is one sentence for the operator. */
export class UpkeepRefusal extends Error {
  /** What the process ends with: "conflict or precondition", as everywhere in the program. */
  readonly exitCode = 6;

  constructor(sentence: string, options?: ErrorOptions) {
    super(sentence, options);
    this.name = 'UpkeepRefusal';
  }
}

/** A backup is not what was saved. The message is one sentence for the operator. */
export class BackupDamagedError extends Error {
  /** What the process ends with: "other", as everywhere in the program. */
  readonly exitCode = 1;

  constructor(sentence: string) {
    super(sentence);
    this.name = 'BackupDamagedError';
  }
}

/** What was named does not exist. The message is one sentence for the operator. */
export class NotFoundRefusal extends Error {
  /** What the process ends with: "not found", as everywhere in the program. */
  readonly exitCode = 3;

  constructor(sentence: string) {
    super(sentence);
    this.name = 'NotFoundRefusal';
  }
}
