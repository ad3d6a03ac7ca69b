/** What one code of the table of errors (`core/errors.ts`) says. */
export interface ErrorEntry {
  /** Of HTTP. */
  readonly status: number;
  /** Whether trying the same again can help. */
  readonly retryable: boolean;
  /** A sentence for the person who has to act. */
  readonly help: string;
}
