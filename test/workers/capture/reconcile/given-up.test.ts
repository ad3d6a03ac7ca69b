/** A comparison that fails, or that nobody waits for any more, reads no further on either side. */
import { expect, test } from "vitest";
import type { SnapshotTable, SummedRows } from "../../../../core/ports/snapshot.ts";
import { compareTable } from "../../../../workers/capture/reconcile/compare.ts";

function endless(onPart: () => void): SummedRows & { parts: number; isClosed: boolean } {
  const side = {
    parts: 0,
    isClosed: false,
    async *sums() {
      try {
        for (;;) {
          await new Promise(setImmediate);
          side.parts++;
          onPart();
          yield [];
        }
      } finally {
        side.isClosed = true;
      }
    },
    async *digests() {},
    async *values() {},
  };
  return side;
}

test("the source is left alone once the lake's query has failed", async () => {
  const source = endless(() => {});
  const lake = { ...endless(() => {}), sums: () => failing() };
  const table = Object.assign(source, { columns: [], key: [], rows: 1, schema: "s", name: "t" });
  await expect(compareTable(table as SnapshotTable, lake, 1)).rejects.toThrow("no memory");
  await expect.poll(() => source.isClosed).toBe(true);
});

test("and once nobody waits for the answer", async () => {
  const gone = new AbortController();
  const [source, lake] = [endless(() => source.parts === 3 && gone.abort()), endless(() => {})];
  const table = Object.assign(source, { columns: [], key: [], rows: 1, schema: "s", name: "t" });
  await expect(compareTable(table as SnapshotTable, lake, 1, gone.signal)).rejects.toThrow("abort");
  await expect.poll(() => [source.isClosed, lake.isClosed]).toEqual([true, true]);
});

// oxlint-disable-next-line require-yield -- fails before its first part
async function* failing(): AsyncGenerator<never> {
  await new Promise(setImmediate);
  throw new Error("no memory");
}
