/**
 * q5 and q7 as one would write them for a file that fits: `JSON.parse` of each line, `Map`s of windows, watermark two
 * seconds behind the newest. It survives nothing. `node maps.ts q5|q7 LINES OUT`; says `done`, and ends with its stdin.
 */
import { createReadStream, createWriteStream } from "node:fs";
import { createInterface } from "node:readline";
import process from "node:process";

const SIZE_MS = 10_000;
const STEP_MS = 2_000;
const DISORDER_MS = 2_000;

interface Bid {
  readonly metadata: { readonly occurred_at: string };
  readonly auction: number;
  readonly bidder: number;
  readonly price: number;
  readonly padding: string;
}

const [query, lines, out] = process.argv.slice(2);
const results = createWriteStream(out!);
const row = (value: object): boolean => results.write(`${JSON.stringify(value)}\n`);
const time = (ms: number): string => new Date(ms).toISOString();

/** Bids by auction, by window's start. */
const counts = new Map<number, Map<number, number>>();
/** Highest bids, by window's start. */
const highest = new Map<number, (Bid & { readonly timeMs: number })[]>();

function count({ auction }: Bid, timeMs: number): void {
  const last = timeMs - (timeMs % STEP_MS);
  for (let start = last; start > timeMs - SIZE_MS; start -= STEP_MS) {
    let window = counts.get(start);
    if (!window) counts.set(start, (window = new Map()));
    window.set(auction, (window.get(auction) ?? 0) + 1);
  }
}

function compare(bid: Bid, timeMs: number): void {
  const start = timeMs - (timeMs % SIZE_MS);
  const best = highest.get(start);
  if (!best || best[0]!.price < bid.price) highest.set(start, [{ ...bid, timeMs }]);
  else if (best[0]!.price === bid.price) best.push({ ...bid, timeMs });
}

function release(watermarkMs: number): void {
  for (const [start, window] of counts) {
    if (start + SIZE_MS > watermarkMs) continue;
    const most = Math.max(...window.values());
    for (const [auction, num] of window)
      if (num === most) row({ window_start: time(start), window_end: time(start + SIZE_MS), auction, num });
    counts.delete(start);
  }
  for (const [start, bids] of highest) {
    if (start + SIZE_MS > watermarkMs) continue;
    for (const { timeMs, auction, bidder, price, padding } of bids) {
      const bounds = { window_start: time(start), window_end: time(start + SIZE_MS) };
      row({ ...bounds, event_time: time(timeMs), auction, bidder, price, padding });
    }
    highest.delete(start);
  }
}

let releasedMs = -Infinity;
let newestMs = -Infinity;
for await (const line of createInterface({ input: createReadStream(lines!) })) {
  const bid = JSON.parse(line) as Bid;
  const timeMs = Date.parse(bid.metadata.occurred_at);
  if (query === "q5") count(bid, timeMs);
  else compare(bid, timeMs);
  newestMs = Math.max(newestMs, timeMs);
  if (newestMs - DISORDER_MS < releasedMs + STEP_MS) continue;
  releasedMs = newestMs - DISORDER_MS;
  release(releasedMs);
}
release(Infinity);
await new Promise<void>((resolve) => results.end(resolve));
console.log("done");
process.stdin.once("data", () => process.exit(0));
