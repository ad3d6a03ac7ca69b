/** A partition that a stream of a subscription has: what was sent of it, and what of that is committed. */

export class Tracked {
  readonly key: string;
  /** Sent, not committed, oldest first: the last offset of each batch and how many events it had. */
  readonly #batches: { readonly lastOffset: number; events: number }[] = [];
  /** Offset that is to be read next, as far as committed. */
  #committed: number;
  #uncommitted = 0;
  /** Since when it waits for a commit, ms; of a partition with nothing to commit without meaning. */
  #sinceMs = 0;

  constructor(key: string, committed: number) {
    this.key = key;
    this.#committed = committed;
  }

  /** Events that were sent and not committed. */
  get uncommitted(): number {
    return this.#uncommitted;
  }

  get committed(): number {
    return this.#committed;
  }

  /** Offset of the last event that was sent and not committed. */
  get lastSent(): number {
    return this.#batches.at(-1)?.lastOffset ?? this.#committed - 1;
  }

  sent(events: number, lastOffset: number, nowMs: number): void {
    if (this.#batches.length === 0) this.#sinceMs = nowMs;
    this.#batches.push({ lastOffset, events });
    this.#uncommitted += events;
  }

  /** @param position offset that is to be read next; one that was committed before changes nothing */
  commit(position: number, nowMs: number): boolean {
    if (position <= this.#committed) return false;
    this.#committed = position;
    this.#sinceMs = nowMs;
    for (let batch = this.#batches[0]; batch; batch = this.#batches[0]) {
      if (batch.lastOffset < position) {
        this.#uncommitted -= batch.events;
        this.#batches.shift();
        continue;
      }
      // A part of it: offsets without events may lie between, so this is at most what is left.
      const left = Math.min(batch.events, batch.lastOffset - position + 1);
      this.#uncommitted -= batch.events - left;
      batch.events = left;
      break;
    }
    return true;
  }

  /** Since how long events wait for a commit, ms; 0 where none do. */
  waitedMs(nowMs: number): number {
    return this.#batches.length === 0 ? 0 : nowMs - this.#sinceMs;
  }
}
