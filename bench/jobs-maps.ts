/**
 * The honest bar of the jobs' bench: the same windows by Maps in memory, over the same events as lines of JSON. It
 * survives nothing. `node bench/jobs-maps.ts q5|q7 FILE`: prints its CPU ms and how many rows it has made.
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { BIDS_LATE_MS, HOP_MS, TOP, WINDOW_MS } from "./jobs-load.ts";

interface Bid {
  readonly auction: number;
  readonly price: number;
  readonly event_time: string;
}

/** Windows by their end, with what they have by auction. */
class Windows {
  readonly #open = new Map<number, Map<number, number>>();
  readonly #release: (counts: ReadonlyMap<number, number>) => number;
  #releasedMs = -Infinity;
  rows = 0;

  constructor(release: (counts: ReadonlyMap<number, number>) => number) {
    this.#release = release;
  }

  at(endMs: number): Map<number, number> | undefined {
    if (endMs <= this.#releasedMs) return undefined;
    let counts = this.#open.get(endMs);
    if (!counts) this.#open.set(endMs, (counts = new Map()));
    return counts;
  }

  moveTo(watermarkMs: number): void {
    if (watermarkMs - this.#releasedMs < HOP_MS) return;
    for (const [endMs, counts] of this.#open) {
      if (endMs > watermarkMs) continue;
      this.rows += this.#release(counts);
      this.#open.delete(endMs);
    }
    this.#releasedMs = watermarkMs;
  }
}

function q5(lines: Iterable<Bid>): number {
  const windows = new Windows((counts) => [...counts].toSorted((a, b) => b[1] - a[1]).slice(0, TOP).length);
  for (const { auction, event_time } of lines) {
    const ms = Date.parse(event_time);
    const first = Math.floor(ms / HOP_MS) * HOP_MS + HOP_MS;
    for (let endMs = first; endMs < first + WINDOW_MS; endMs += HOP_MS) {
      const counts = windows.at(endMs);
      counts?.set(auction, (counts.get(auction) ?? 0) + 1);
    }
    windows.moveTo(ms - BIDS_LATE_MS);
  }
  windows.moveTo(Infinity);
  return windows.rows;
}

function q7(lines: Iterable<Bid>): number {
  const windows = new Windows(() => 1);
  for (const { price, event_time } of lines) {
    const ms = Date.parse(event_time);
    const most = windows.at(Math.floor(ms / WINDOW_MS) * WINDOW_MS + WINDOW_MS);
    most?.set(0, Math.max(most.get(0) ?? 0, price));
    windows.moveTo(ms - BIDS_LATE_MS);
  }
  windows.moveTo(Infinity);
  return windows.rows;
}

function* parsed(text: string): Generator<Bid> {
  for (let start = 0; start < text.length;) {
    const end = text.indexOf("\n", start);
    yield JSON.parse(text.slice(start, end)) as Bid;
    start = end + 1;
  }
}

const [query = "", file = ""] = process.argv.slice(2);
const bids = readFileSync(file, "utf8");
const before = process.cpuUsage();
const rows = (query === "q5" ? q5 : q7)(parsed(bids));
const { user, system } = process.cpuUsage(before);
console.log(JSON.stringify({ cpuMs: (user + system) / 1_000, rows }));
