/** When something happened to each of several things, as monotonic ms in order. */
export class Moments {
  readonly #ms: ReadonlyMap<string, number[]>;

  constructor(names: readonly string[]) {
    this.#ms = new Map(names.map((name) => [name, []]));
  }

  note(name: string): void {
    this.#ms.get(name)!.push(performance.now());
  }

  /** By name: when it first happened after that moment; without those to which it has not. */
  firstAfter(afterMs: number): ReadonlyMap<string, number> {
    const found = new Map<string, number>();
    for (const [name, moments] of this.#ms) {
      const at = moments.findLastIndex((ms) => ms <= afterMs) + 1;
      if (at < moments.length) found.set(name, moments[at]!);
    }
    return found;
  }
}
