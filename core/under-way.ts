/** Work that has begun and that a closing waits for, however it ends. */
export class UnderWay {
  readonly #all = new Set<Promise<unknown>>();

  /** @returns the same */
  track<Result>(work: Promise<Result>): Promise<Result> {
    this.#all.add(work);
    const forget = (): void => void this.#all.delete(work);
    work.then(forget, forget);
    return work;
  }

  /** What is under way now has ended. */
  async ended(): Promise<void> {
    await Promise.allSettled(this.#all);
  }
}
