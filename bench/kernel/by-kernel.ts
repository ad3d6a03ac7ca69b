/** The operators of a kernel by its host: the AssemblyScript one, or the same in C compiled to wasm. */
import type { Kernel } from "../../core/kernel.ts";
import type { Panes } from "../../core/kernel-panes.ts";
import type { ReorderBuffer } from "../../core/kernel-reorder.ts";
import { Report, type Run } from "./report.ts";
import {
  BATCH,
  DISORDER_US,
  EVENTS,
  GENERATION_MS,
  HORIZON_MS,
  KEY_BYTES,
  SLICES,
  SLICE_SHIFT,
  SPACING_US,
  START_US,
  WINDOW_MINUTES,
  type Workload,
} from "./workload.ts";

const END_US = 2n ** 60n;

export function runKernel(kernel: Kernel, workload: Workload): Run {
  const report = new Report();
  const set = report.meter("dedup", () =>
    kernel.createIdentitySet({ horizonMs: HORIZON_MS, generationMs: GENERATION_MS }),
  );
  const reorder = report.meter("reorder", () =>
    kernel.createReorderBuffer({ sliceUs: 2 ** SLICE_SHIFT, slices: SLICES }),
  );
  report.meter("reorder", () => {
    reorder.advance(BigInt(START_US - DISORDER_US));
  });
  const panes = report.meter("panes", () =>
    kernel.createPanes({
      window: { kind: "hopping", sizeMinutes: WINDOW_MINUTES, hopMinutes: 1 },
      columns: ["integer"],
      aggregates: [
        { kind: "count" },
        { kind: "sum", column: 0 },
        { kind: "min", column: 0 },
        { kind: "max", column: 0 },
      ],
    }),
  );
  const verdicts = new Uint8Array(BATCH);
  for (let from = 0; from < EVENTS; from += BATCH) {
    const to = Math.min(from + BATCH, EVENTS);
    const ingest = workload.ingestMs.subarray(from, to);
    const identities = workload.identities.subarray(from * 2, to * 2);
    const answers = report.meter("dedup", () => {
      const judged = set.admit(to - from, identities, ingest, verdicts);
      set.keep();
      set.expire(ingest[0]!);
      return judged;
    });
    const selected = Uint32Array.from(answers.keys()).filter((i) => answers[i] === 1);
    report.duplicates += to - from - selected.length;
    const times = workload.timesUs.subarray(from, to);
    const ordered = report.meter("order", () => kernel.order(times, selected));
    for (const position of ordered) report.position(position);
    const batch = {
      count: selected.length,
      timesUs: BigInt64Array.from(selected, (i) => times[i]!),
      partitions: new Uint32Array(selected.length),
      offsets: Float64Array.from(selected, (i) => from + i),
      payloads: Uint32Array.from(selected, (i) => from + i),
    };
    const watermark = BigInt(START_US + to * SPACING_US - DISORDER_US);
    const held = report.meter("reorder", () => {
      const told = reorder.push(batch);
      reorder.advance(watermark);
      return told;
    });
    for (const answer of held) if (answer === 1) report.late++;
    releaseToPanes(reorder, panes, watermark, workload, report);
  }
  report.meter("reorder", () => {
    reorder.advance(END_US);
  });
  releaseToPanes(reorder, panes, END_US, workload, report);
  set.destroy();
  reorder.destroy();
  panes.destroy();
  return report.end();
}

function releaseToPanes(
  reorder: ReorderBuffer,
  panes: Panes,
  watermark: bigint,
  { keyOf, keyBytes, values }: Workload,
  report: Report,
): void {
  const keyWords = new Uint32Array(keyBytes.buffer);
  for (let count = BATCH; count === BATCH;) {
    const records = report.meter("reorder", () => reorder.release(BATCH));
    count = records.count;
    const bytes = new Uint8Array(count * KEY_BYTES);
    const words = new Uint32Array(bytes.buffer);
    const keys = new Uint32Array(count * 2);
    const some = new BigInt64Array(count);
    for (let i = 0; i < count; i++) {
      const payload = records.payloads[i]!;
      report.record(payload);
      for (let w = 0; w < 4; w++) words[i * 4 + w] = keyWords[keyOf[payload]! * 4 + w]!;
      keys[i * 2] = i * KEY_BYTES;
      keys[i * 2 + 1] = KEY_BYTES;
      some[i] = values[payload]!;
    }
    const batch = { count, bytes, keys, timesUs: records.timesUs, columns: [{ values: some }] };
    report.meter("panes", () => panes.add(batch, 2n ** 63n - 1n));
  }
  report.meter("panes", () => {
    panes.advance(watermark);
  });
  for (;;) {
    const results = report.meter("panes", () => panes.release(BATCH));
    if (!results) return;
    const view = new DataView(results.keyBytes.buffer);
    const [counts, sums, least, greatest] = results.columns.map(
      (column) => new Int32Array(column.values.buffer),
    );
    for (let i = 0; i < results.count; i++) {
      const key = view.getUint32(results.keys[i * 2]!, true);
      const minute = Number(results.endsUs[i]! / 60_000_000n);
      report.result(key, minute, counts![i * 2]!, sums![i * 4]!, least![i * 2]!, greatest![i * 2]!);
    }
  }
}
