/** A bound on the connections to one target: deliveries beyond it take turns, batch by batch. */

export interface SinkPlaces {
  /** Waits for one. @returns what gives it back, once; undefined where the signal came first */
  acquire(signal: AbortSignal): Promise<(() => void) | undefined>;
  /** Whether somebody waits: who has one gives it back after his batch. */
  readonly isWanted: boolean;
}

export function createSinkPlaces(most: number): SinkPlaces {
  return new Places(most);
}

class Places implements SinkPlaces {
  readonly #waiting = new Set<() => void>();
  #free: number;

  constructor(most: number) {
    this.#free = most;
  }

  get isWanted(): boolean {
    return this.#waiting.size > 0;
  }

  async acquire(signal: AbortSignal): Promise<(() => void) | undefined> {
    if (this.#free > 0) this.#free--;
    else {
      const isHad = await new Promise<boolean>((resolve) => {
        const take = (): void => {
          signal.removeEventListener("abort", leave);
          resolve(true);
        };
        const leave = (): void => {
          this.#waiting.delete(take);
          resolve(false);
        };
        if (signal.aborted) return resolve(false);
        this.#waiting.add(take);
        signal.addEventListener("abort", leave, { once: true });
      });
      if (!isHad) return undefined;
    }
    let isMine = true;
    return () => {
      if (isMine) this.#pass();
      isMine = false;
    };
  }

  /** To whoever waits longest. */
  #pass(): void {
    const [next] = this.#waiting;
    if (!next) {
      this.#free++;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}
