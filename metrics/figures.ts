/** A group of figures that is collected when somebody reads them. */
export interface Figures {
  /** As in the label of `vfolder_collector_up`. */
  readonly name: string;
  /** Brings the figures up to date within a deadline. Figures that cannot be had are absent. @returns whether they could */
  refresh(): Promise<boolean>;
}
