/**
 * Events that nobody commits, for subscriptions that say what to do with them: the part of Nakadi's `HilaAT` about
 * dead letters.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { offsetText } from "../../../workers/ingest/cursors/offset-text.ts";
import { Consumers } from "./consumers.ts";
import type { Door } from "./door.ts";
import { type Batch, call, closeDoor, doorOver, LOG_KINDS } from "./nakadi.ts";

const COUNT = "nakadi.zalando.org/subscription-max-event-send-count";
const POLICY = "nakadi.zalando.org/subscription-unprocessable-event-policy";

const sizes = (batches: readonly Batch[]): number[] => batches.map(({ events }) => events!.length);

describe.each(LOG_KINDS)("$name", (kind) => {
  let door: Door;
  let at: Consumers;
  beforeAll(async () => {
    door = await doorOver(kind);
    at = new Consumers(door);
  });
  afterAll(async () => {
    await closeDoor(door);
    await kind.clean();
  });

  const subscribed = async (name: string, policy: string, count = "3"): Promise<string> =>
    at.subscription([name], { annotations: { [COUNT]: count, [POLICY]: policy } });

  /** A client that commits every batch before one with `poison`, and then nothing. @returns what it got */
  async function run(id: string, poison: number): Promise<readonly Batch[]> {
    const client = await at.stream(
      id,
      "batch_limit=3&commit_timeout=1&batch_flush_timeout=1&max_uncommitted_events=3",
    );
    let done = 0;
    for (;;) {
      const got = await client.gets(done + 1);
      const batch = got[done];
      if (!batch || batch.events!.some(({ number }) => number === poison)) break;
      expect((await at.commit(id, client.streamId, [batch.cursor])).status).toBe(204);
      done++;
      if (batch.events!.some(({ number }) => number === 5)) break;
    }
    if (client.full.at(-1)!.events!.every(({ number }) => number !== 5)) await client.ends();
    else await client.leave();
    return client.full;
  }

  test("three times three events, three times the one, then it is skipped", async () => {
    const name = await at.type();
    await at.publish(name, 6);
    const id = await subscribed(name, "SKIP_EVENT");
    for (let send = 0; send < 3; send++) expect(sizes(await run(id, 1))).toEqual([3]);
    // The first of them is committed on its own, so the one that is not is known.
    expect((await run(id, 1)).map(({ events }) => events!.map(({ number }) => number))).toEqual([[0], [1]]);
    for (let send = 0; send < 2; send++)
      expect((await run(id, 1)).map(({ events }) => events!.map(({ number }) => number))).toEqual([[1]]);
    const rest = await run(id, 1);
    expect(rest.flatMap(({ events }) => events!.map(({ number }) => number))).toEqual([2, 3, 4, 5]);
    expect(sizes(rest)).toEqual([1, 3]);
    expect(await at.cursors(id)).toEqual({ 0: offsetText(5) });
    expect(await door.log.stream("nakadi.dead.letter.queue")).toBeUndefined();
  });

  test("the event is found in the dead letter queue, once", async () => {
    const name = await at.type();
    await at.publish(name, 6);
    const id = await subscribed(name, "DEAD_LETTER_QUEUE", "2");
    for (let send = 0; send < 5; send++) await run(id, 0);
    expect(await at.cursors(id)).toEqual({ 0: offsetText(5) });
    const stored = await door.stored("nakadi.dead.letter.queue");
    expect(stored.map(({ payload }) => JSON.parse(payload))).toEqual([
      {
        metadata: { eid: expect.stringMatching(/^[0-9a-f-]{36}$/), occurred_at: expect.any(String) },
        subscription_id: id,
        event_type: name,
        partition: "0",
        offset: offsetText(0),
        error: { message: expect.any(String) },
        event: expect.objectContaining({ number: 0 }),
      },
    ]);
  });

  test("a reset forgets what was counted; a commit ends the search", async () => {
    const name = await at.type();
    await at.publish(name, 6);
    const id = await subscribed(name, "SKIP_EVENT", "2");
    for (let send = 0; send < 2; send++) await run(id, 1);
    expect(sizes(await run(id, 1))).toEqual([1, 1]);
    const items = [{ event_type: name, partition: "0", offset: "BEGIN" }];
    expect((await call(door, "PATCH", `/subscriptions/${id}/cursors`, { items })).status).toBe(204);
    expect(sizes(await run(id, 1))).toEqual([3]);
    expect(sizes(await run(id, 1))).toEqual([3]);
    // Whoever can handle them now commits them one by one, and then in batches again.
    expect(sizes(await run(id, -1))).toEqual([1, 1, 1, 3]);
  });

  test("without a policy an event comes again for ever", async () => {
    const name = await at.type();
    await at.publish(name, 6);
    const id = await at.subscription([name]);
    for (let send = 0; send < 6; send++) expect(sizes(await run(id, 0))).toEqual([3]);
  });
});
