/**
 * How long each partition has been seen at the log's end with nothing new. The clock starts anew with every cursor,
 * whoever moved it: records that another owner landed were no silence.
 */
export class StillTimer {
  /** [partition] monotonic ms of the first look that found it at its end. */
  readonly #sinceMs: Float64Array;
  /** [partition] the cursor then; NaN while it is not at its end. */
  readonly #cursors: Float64Array;

  constructor(partitions: number) {
    this.#sinceMs = new Float64Array(partitions);
    this.#cursors = new Float64Array(partitions).fill(Number.NaN);
  }

  /**
   * Notes one look. @param cursor undefined where the partition has a backlog
   * @returns ms since the first of the looks that all found this cursor at the end; -1 with a backlog
   */
  stillMs(partition: number, cursor: number | undefined, nowMs: number): number {
    if (cursor === undefined) {
      this.#cursors[partition] = Number.NaN;
      return -1;
    }
    if (this.#cursors[partition] !== cursor) {
      this.#cursors[partition] = cursor;
      this.#sinceMs[partition] = nowMs;
    }
    return nowMs - this.#sinceMs[partition]!;
  }
}
