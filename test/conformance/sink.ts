/** What every sink of deliveries does: cases for `run.ts`, over whatever opens the same place again and again. */
import type { Sink, SinkBatch } from "../../core/ports/sink.ts";
import { isDeepStrictEqual } from "node:util";

export interface SinkPlace {
  /** One that knows nothing but what is there. */
  open(): Promise<Sink>;
  /** What the other side has: rows by the id or number that they came under, in their order. */
  rows(): Promise<readonly string[]>;
}

export type SinkCase = readonly [string, (place: SinkPlace) => Promise<void>];

const never = new AbortController().signal;

const COLUMNS: SinkBatch["columns"] = ["generation", "n"].map((name) => ({
  name,
  type: { kind: "long" },
  nullable: false,
}));

export function batchOf(from: number, to: number, generation = 0): SinkBatch {
  return {
    id: `d.${generation}.${from}-${to - from}`,
    delivery: "shop",
    table: "order.created",
    committedMs: 1_772_366_400_000,
    generation,
    sequence: from,
    columns: COLUMNS,
    hasMore: false,
    rows: Array.from({ length: to - from }, (_, i) => ({
      // Of the row, wherever its batch begins.
      key: (from + i) % 3 === 0 ? null : `k${(from + i) % 3}`,
      json: JSON.stringify({ generation, n: from + i }),
      values: { generation: BigInt(generation), n: BigInt(from + i) },
    })),
  };
}

function expectRows(found: readonly string[], ...batches: readonly SinkBatch[]): void {
  const expected = batches.flatMap(({ rows }) => rows.map(({ json }) => json));
  const same = isDeepStrictEqual(found.toSorted(), expected.toSorted());
  if (!same) throw new Error(`rows are ${found.join(" ")}, not ${expected.join(" ")}`);
}

async function taken(sink: Sink, batch: SinkBatch): Promise<void> {
  const outcome = await sink.write(batch, never);
  if (outcome.outcome !== "taken") throw new Error(`it says ${JSON.stringify(outcome)}`);
}

export const SINK_CASES: readonly SinkCase[] = [
  [
    "what is taken is there",
    async (place) => {
      const sink = await place.open();
      await taken(sink, batchOf(0, 7));
      await taken(sink, batchOf(7, 8));
      expectRows(await place.rows(), batchOf(0, 7), batchOf(7, 8));
      await sink.close();
    },
  ],
  [
    "the same batch again is the same batch, also from another process",
    async (place) => {
      const first = await place.open();
      await taken(first, batchOf(0, 5));
      await taken(first, batchOf(0, 5));
      const second = await place.open();
      await taken(second, batchOf(0, 5));
      await taken(second, batchOf(5, 9));
      await taken(first, batchOf(5, 9));
      expectRows(await place.rows(), batchOf(0, 5), batchOf(5, 9));
      await first.close();
      await second.close();
    },
  ],
  [
    "rows of a new generation are other rows, whatever their numbers",
    async (place) => {
      const sink = await place.open();
      await taken(sink, batchOf(0, 4));
      await taken(sink, batchOf(2, 6, 1));
      await taken(await place.open(), batchOf(2, 6, 1));
      expectRows(await place.rows(), batchOf(0, 4), batchOf(2, 6, 1));
    },
  ],
];
