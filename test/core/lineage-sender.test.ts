/** What waits for a receiver is bounded: the rest is dropped and counted, and whoever works never waits. */
import { expect, test } from "vitest";
import { ManualClock, seededRandomness } from "../../core/clock.ts";
import { createLineage } from "../../core/lineage-sender.ts";
import { silentLogger } from "../../core/logger.ts";

const QUEUE = 5;
const BATCH = 3;

const nothing = (): void => undefined;
const name = (text: string): { namespace: string; name: string } => ({ namespace: "n", name: text });

test(`${QUEUE} events wait, one more is dropped; a batch that is sent makes room`, async () => {
  const batches: string[][] = [];
  let take = nothing;
  const lineage = createLineage(
    { clock: new ManualClock(0), randomness: seededRandomness(1), logger: silentLogger },
    {
      namespace: "n",
      producer: "https://example.org/",
      queue: QUEUE,
      batch: BATCH,
      places: { stream: name, table: name, extract: name },
      send: (events) => {
        batches.push([...events]);
        return new Promise<void>((done) => (take = done));
      },
    },
  );
  const figures = (): Record<string, number> =>
    Object.fromEntries(
      lineage
        .samples()
        .map((sample) => [sample.name.replace("muara_lineage_", ""), (sample as { value: number }).value]),
    );
  const tell = (count: number): void => {
    for (let i = 0; i < count; i++) lineage.start({ name: `j${i}`, kind: "LANDING" }, [], []);
  };
  tell(QUEUE);
  expect(figures()).toEqual({ sent: 0, dropped: 0, waiting: QUEUE });
  tell(1);
  expect(figures()).toEqual({ sent: 0, dropped: 1, waiting: QUEUE });
  await expect.poll(() => batches.length).toBe(1);
  // A batch that is under way waits no more.
  expect(figures()).toEqual({ sent: 0, dropped: 1, waiting: QUEUE - BATCH });
  tell(BATCH + 1);
  expect(figures()).toEqual({ sent: 0, dropped: 2, waiting: QUEUE });
  for (let batch = 1; batch <= 3; batch++) {
    await expect.poll(() => batches.length).toBe(batch);
    take();
  }
  await expect.poll(() => figures()["sent"]).toBe(QUEUE + BATCH);
  expect(batches.map(({ length }) => length)).toEqual([3, 3, 2]);
  await lineage.close();
  tell(1);
  expect(figures()).toEqual({ sent: QUEUE + BATCH, dropped: 3, waiting: 0 });
});

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await Promise.resolve();
}

test("what is told in the moment in which all was sent is sent as well", async () => {
  for (let moment = 0; moment < 40; moment++) {
    const sent: string[] = [];
    const lineage = createLineage(
      { clock: new ManualClock(0), randomness: seededRandomness(1), logger: silentLogger },
      {
        namespace: "n",
        producer: "https://example.org/",
        queue: QUEUE,
        batch: BATCH,
        places: { stream: name, table: name, extract: name },
        send: async (events) => void sent.push(...events),
      },
    );
    lineage.start({ name: "a", kind: "LANDING" }, [], []);
    await turns(moment);
    lineage.start({ name: "b", kind: "LANDING" }, [], []);
    await turns(200);
    expect([moment, sent.length]).toEqual([moment, 2]);
  }
});
