/**
 * The service cannot start as it is set up. The message is one sentence for the operator that names the variable or
 * file and the mend; mains print it to stderr and end with exit code 2.
 */
export class ConfigError extends Error {
  /** What the process ends with. */
  readonly exitCode = 2;

  constructor(sentence: string, options?: ErrorOptions) {
    super(sentence, options);
    this.name = 'ConfigError';
  }
}
