/**
 * Which share of its time something has worked lately: an exponentially weighted mean over a continuous time, as of
 * Unix's load averages, so that no window has to be kept. Times are monotonic, ms.
 */

/** After so long without work a full meter shows 37 %. */
export const MEMORY_MS = 30_000;

export class BusyMeter {
  #share = 0;
  #atMs: number;
  #lastMs: number | null = null;

  constructor(nowMs: number) {
    this.#atMs = nowMs;
  }

  /** How long the latest work took, ms; null before the first. */
  get lastMs(): number | null {
    return this.#lastMs;
  }

  /** It worked from one to the other; not before what was told last. */
  worked(fromMs: number, toMs: number): void {
    this.#share = this.share(fromMs);
    const kept = Math.exp(-Math.max(0, toMs - fromMs) / MEMORY_MS);
    this.#share = 1 - kept * (1 - this.#share);
    this.#atMs = toMs;
    this.#lastMs = Math.round(toMs - fromMs);
  }

  /** 0 to 1. */
  share(nowMs: number): number {
    return this.#share * Math.exp(-Math.max(0, nowMs - this.#atMs) / MEMORY_MS);
  }
}
