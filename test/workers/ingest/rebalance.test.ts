/**
 * How partitions move between streams: Nakadi's `HilaRebalanceAT`, and what it cannot ask: streams on two processes
 * over one log, and a process that dies.
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { offsetText } from "../../../workers/ingest/cursors/offset-text.ts";
import { Consumers } from "./consumers.ts";
import { createDoor, type Door } from "./door.ts";
import { type Batch, call, type Client, doorOver, LOG_KINDS, pass, until } from "./nakadi.ts";

const QUICK = "batch_flush_timeout=1&max_uncommitted_events=1000";

const direct = (name: string, ...partitions: string[]): { body: unknown } => ({
  body: {
    batch_flush_timeout: 1,
    max_uncommitted_events: 1_000,
    partitions: partitions.map((partition) => ({ event_type: name, partition })),
  },
});

const ofNow = (client: Client): unknown[] =>
  client.events.map(({ number }) => number).filter((number) => (number as number) >= 10);

describe.each(LOG_KINDS)("$name", (kind) => {
  let door: Door;
  let at: Consumers;
  const clients: Client[] = [];
  const others: Door[] = [];
  beforeEach(async () => {
    door = await doorOver(kind);
    at = new Consumers(door);
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) await client.leave();
    for (const one of [door, ...others.splice(0)]) {
      one.streams.close();
      await one.subscriptions.close();
    }
    await door.log.close();
    await kind.clean();
  });
  const opened = async (...args: Parameters<Consumers["stream"]>): Promise<Client> => {
    const client = await at.stream(...args);
    clients.push(client);
    return client;
  };
  /** How many partitions each of the clients has, once it is so. */
  const untilShares = (id: string, ...expected: readonly (readonly [Client, number])[]): Promise<void> =>
    until(door.clock, async () => {
      const shares = await at.shares(id);
      return expected.every(([{ streamId }, count]) => (shares[streamId] ?? []).length === count);
    });
  const secondDoor = async (): Promise<Door> => {
    const other = await createDoor({ log: door.log, clock: door.clock });
    others.push(other);
    return other;
  };

  test("two clients share equally; what was committed is not sent again, what was not is", async () => {
    const name = await at.type(8);
    for (let p = 0; p < 8; p++) await at.publish(name, 2, p * 10, p);
    const id = await at.subscription([name]);
    const first = await opened(id, `${QUICK}&batch_limit=1&commit_timeout=20`);
    await first.getsEvents(16);
    const commit = async (batches: readonly Batch[]): Promise<void> => {
      const cursors = batches.map(({ cursor }) => cursor);
      expect((await at.commit(id, first.streamId, cursors)).status).toBe(204);
    };
    // The first event of each partition, and then the other of those that stay.
    await commit(first.full.filter(({ cursor }) => cursor.offset === offsetText(0)));
    const second = await opened(id, QUICK);
    const stays = new Set((await at.shares(id))[first.streamId]);
    expect(stays.size).toBe(4);
    await commit(
      first.full.filter(({ cursor }) => stays.has(cursor.partition) && cursor.offset !== offsetText(0)),
    );
    await pass(door.clock, 10_000);
    expect(second.full).toEqual([]);
    await untilShares(id, [first, 4], [second, 4]);
    await second.getsEvents(4);
    const moved = [0, 1, 2, 3, 4, 5, 6, 7].filter((p) => !stays.has(String(p)));
    expect(new Set(second.events.map(({ number }) => number))).toEqual(new Set(moved.map((p) => p * 10 + 1)));
    expect(first.isOver).toBe(false);
  });

  test("a partition moves only when its holder has got its commits", async () => {
    const name = await at.type(2);
    await at.publish(name, 3, 0, 0);
    await at.publish(name, 3, 10, 1);
    const id = await at.subscription([name]);
    const first = await opened(id, `${QUICK}&batch_limit=3`);
    await first.gets(2);
    const second = await opened(id, QUICK);
    await pass(door.clock, 3_000);
    const before = await at.shares(id);
    expect(second.batches).toEqual([]);
    const leaving = ["0", "1"].find((partition) => !before[first.streamId]!.includes(partition))!;
    await at.publish(name, 1, 99, Number(leaving));
    await pass(door.clock, 1_000);
    expect(first.events.map(({ number }) => number)).not.toContain(99);
    const sent = first.full.find(({ cursor }) => cursor.partition === leaving)!;
    expect((await at.commit(id, first.streamId, [sent.cursor])).status).toBe(204);
    await second.gets(1);
    expect(second.events.map(({ number }) => number)).toEqual([99]);
    await untilShares(id, [first, 1], [second, 1]);
  });

  test("direct, mixed and released partitions", async () => {
    const name = await at.type(4);
    const id = await at.subscription([name]);
    const auto = await opened(id, QUICK);
    await untilShares(id, [auto, 4]);
    const one = await opened(id, "", direct(name, "0", "3"));
    await untilShares(id, [auto, 2], [one, 2]);
    expect((await at.shares(id))[one.streamId]).toEqual(["0", "3"]);
    const other = await opened(id, QUICK);
    await untilShares(id, [auto, 1], [other, 1], [one, 2]);
    await one.leave();
    await untilShares(id, [auto, 2], [other, 2]);
  });

  test("two direct requests for one partition: 409; a wrong one or one twice: 422", async () => {
    const name = await at.type(2);
    const id = await at.subscription([name]);
    await opened(id, "", direct(name, "0"));
    expect((await at.ask(id, "", direct(name, "0", "1"))).status).toBe(409);
    expect((await at.ask(id, "", direct(name, "2"))).status).toBe(422);
    expect((await at.ask(id, "", direct(name, "1", "1"))).status).toBe(422);
    expect((await at.ask(id, "", direct("other", "1"))).status).toBe(422);
  });

  test("no slot for a client without wishes where all partitions were asked for", async () => {
    const name = await at.type(2);
    const id = await at.subscription([name]);
    await opened(id, "", direct(name, "0", "1"));
    expect((await at.ask(id)).status).toBe(409);
  });

  test("of clients that race for one place one gets it", async () => {
    const id = await at.subscription([await at.type()]);
    const answers = await Promise.all(Array.from({ length: 4 }, () => at.ask(id)));
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 409, 409, 409]);
    for (const answer of answers) await answer.body?.cancel();
  });

  test("two processes over one log share a subscription; commits may go to either", async () => {
    const name = await at.type(4);
    for (let p = 0; p < 4; p++) await at.publish(name, 1, p, p);
    const id = await at.subscription([name]);
    const other = await secondDoor();
    const [here, there] = [await opened(id, QUICK), await opened(id, QUICK, { door: other })];
    const commitAll = async (): Promise<void> => {
      for (const [client, way] of [
        [here, other],
        [there, door],
      ] as const)
        for (const { cursor } of client.full) await at.commit(id, client.streamId, [cursor], way);
    };
    await until(door.clock, async () => {
      await commitAll();
      const shares = await at.shares(id, other);
      return shares[here.streamId]?.length === 2 && shares[there.streamId]?.length === 2;
    });
    for (let p = 0; p < 4; p++) await at.publish(name, 1, 10 + p, p);
    await until(door.clock, () => ofNow(here).length + ofNow(there).length === 4);
    expect(new Set([...ofNow(here), ...ofNow(there)])).toEqual(new Set([10, 11, 12, 13]));
    expect(ofNow(here)).toHaveLength(2);
  });

  test("at a process that dies partitions are free after a while, and nothing is lost", async () => {
    const name = await at.type(2);
    await at.publish(name, 2, 0, 0);
    const id = await at.subscription([name]);
    const dying = await secondDoor();
    // It shows no life any more, as if it had been killed, or cut off.
    const lost = await opened(id, QUICK, { door: dying });
    await lost.getsEvents(2);
    dying.registry.refresh = () => Promise.reject(new Error("dead"));
    dying.registry.put = () => Promise.reject(new Error("dead"));
    const busy = await opened(id, "", direct(name, "1"));
    const taken = await at.ask(id);
    expect(taken.status).toBe(409);
    await pass(door.clock, 20_000);
    const next = await opened(id, QUICK);
    await next.getsEvents(2);
    expect(next.events.map(({ number }) => number)).toEqual([0, 1]);
    expect(busy.isOver).toBe(false);
    // It wakes: its stream cannot commit any more, and ends.
    for (const name_ of ["refresh", "put"]) Reflect.deleteProperty(dying.registry, name_);
    const { status } = await at.commit(id, lost.streamId, [lost.full.at(-1)!.cursor]);
    expect(status).toBe(422);
    await lost.ends();
    expect(lost.notes.at(-1)).toContain("dead");
  });

  test("a process that stops gives its partitions away at once", async () => {
    const id = await at.subscription([await at.type()]);
    const other = await secondDoor();
    const client = await opened(id, QUICK, { door: other });
    await until(door.clock, () => client.batches.length > 0);
    other.streams.close();
    await other.subscriptions.close();
    await client.ends();
    expect(client.notes.at(-1)).toBe("The service is shutting down");
    const next = await opened(id, QUICK);
    await until(door.clock, () => next.batches.length > 0);
    expect((await call(other, "GET", `/subscriptions/${id}/events`)).status).toBe(503);
  });

  test("what is declared of streams does not grow", async () => {
    const name = await at.type();
    const id = await at.subscription([name]);
    for (let i = 0; i < 5; i++) {
      await at.publish(name, 1, i);
      const client = await opened(id, "stream_limit=1");
      await client.gets(1);
      await at.commitLast(id, client);
      await client.ends();
    }
    await until(door.clock, () => door.registry.list("subscription-node").length === 0);
    expect(door.registry.get("subscription-topology", id)!.value).toEqual({
      sessions: {},
      held: {},
      trials: {},
    });
    expect(door.registry.list("subscription-cursors").map(({ value }) => value)).toEqual([
      { incarnation: expect.any(String), epoch: 0, positions: { [name]: [5] } },
    ]);
  });
});
