/**
 * The operators in tuned TypeScript, on typed arrays only: generations of identities in open-addressing tables with a
 * tag byte, radix sort on what times differ in, the ring of slices, and panes in a ring of minutes by dense numbers of
 * keys. It does less than the kernel: no journal, budgets, refusals or images, nothing beyond its ring, values within
 * 2^53.
 */
import { Report, type Run } from "./report.ts";
import { TypedPanes } from "./typed-panes.ts";
import { TypedReorder } from "./typed-reorder.ts";
import { TypedSet } from "./typed-set.ts";
import { orderTyped } from "./typed-order.ts";
import {
  BATCH,
  DISORDER_US,
  EVENTS,
  GENERATION_MS,
  KEY_BYTES,
  SPACING_US,
  START_US,
  type Workload,
} from "./workload.ts";

export function runTyped(workload: Workload): Run {
  const report = new Report();
  const set = report.meter("dedup", () => new TypedSet(GENERATION_MS));
  const reorder = report.meter("reorder", () => new TypedReorder(1 << 17, START_US - DISORDER_US));
  const panes = report.meter("panes", () => new TypedPanes(report));
  const ids = new Uint32Array(workload.identities.buffer);
  // doubles are how typed arrays hold such times best; the other ways get 64-bit integers, which suit them
  const allTimes = Float64Array.from(workload.timesUs, Number);
  const selected = new Uint32Array(BATCH);
  const ordered = new Uint32Array(BATCH);
  const times = new Float64Array(BATCH);
  const offsets = new Float64Array(BATCH);
  const payloads = new Uint32Array(BATCH);
  const partitions = new Uint32Array(BATCH);
  for (let from = 0; from < EVENTS; from += BATCH) {
    const to = Math.min(from + BATCH, EVENTS);
    const some = allTimes.subarray(from, to);
    const count = report.meter("dedup", () => set.admit(ids, workload.ingestMs, from, to, selected));
    report.duplicates += to - from - count;
    report.meter("order", () => {
      orderTyped(some, selected, count, ordered);
    });
    for (let i = 0; i < count; i++) {
      report.position(ordered[i]!);
      times[i] = some[selected[i]!]!;
      offsets[i] = from + selected[i]!;
      payloads[i] = from + selected[i]!;
    }
    const watermark = START_US + to * SPACING_US - DISORDER_US;
    report.late += report.meter("reorder", () => reorder.push(count, times, partitions, offsets, payloads));
    releaseToPanes(reorder, panes, watermark, workload, report);
  }
  releaseToPanes(reorder, panes, START_US + EVENTS * SPACING_US + 1, workload, report);
  report.meter("panes", () => {
    panes.close();
  });
  panes.tell();
  return report.end();
}

function releaseToPanes(
  reorder: TypedReorder,
  panes: TypedPanes,
  watermark: number,
  { keyOf, keyBytes, values }: Workload,
  report: Report,
): void {
  const count = report.meter("reorder", () => reorder.release(watermark));
  const keyWords = new Uint32Array(keyBytes.buffer);
  const keys = new Uint32Array((count * KEY_BYTES) / 4);
  const valueWords = new Int32Array(values.buffer);
  const some = new Int32Array(count * 2);
  for (let i = 0; i < count; i++) {
    const payload = reorder.outPayloads[i]!;
    report.record(payload);
    for (let w = 0; w < 4; w++) keys[i * 4 + w] = keyWords[keyOf[payload]! * 4 + w]!;
    some[i * 2] = valueWords[payload * 2]!;
    some[i * 2 + 1] = valueWords[payload * 2 + 1]!;
  }
  report.meter("panes", () => {
    panes.add(count, reorder.outTimes, keys, some);
    panes.advance(watermark);
  });
  panes.tell();
}
