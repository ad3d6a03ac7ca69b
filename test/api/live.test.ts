/** The live stream of a whole process: what it tells, to whom, how it goes on, and where it ends. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "../services/muara.ts";
import { LiveReader } from "./live-reader.ts";
import { eventId, orderEvent, orderType, type Stack, startStack, TINY_QUERY } from "./stack.ts";

const TYPE = "live.order";
const HIDDEN = "live.hidden";
const LIMITS = { clients: 4, perPrincipal: 3, tails: 2, eventsPerSecond: 40, slowMs: 2_000 };

let stack: Stack;
let stranger: { token: string; id: string };
const open: LiveReader[] = [];

beforeAll(async () => {
  stack = await startStack(undefined, { live: LIMITS, query: TINY_QUERY });
  for (const name of [TYPE, HIDDEN]) await stack.call("POST", "/event-types", orderType(name, 2));
  const grants = [{ action: "read", kind: "table", name: TYPE }];
  const made = await stack.call("POST", "/v1/tokens", { description: "one table", grants });
  stranger = (await made.json()) as typeof stranger;
});
afterAll(async () => {
  for (const reader of open) reader.close();
  await stack.close();
});

async function look(
  query: string,
  token = stack.token,
  more: Record<string, string> = {},
): Promise<LiveReader> {
  const headers = { authorization: `Bearer ${token}`, ...more };
  const reader = await LiveReader.open(`${stack.url}/v1/live?${query}`, headers);
  open.push(reader);
  return reader;
}

async function closeAll(): Promise<void> {
  for (const reader of open.splice(0)) reader.close();
  await eventually("places are free", 10_000, async () => {
    const readers = await Promise.all([1, 2, 3].map(() => look("topics=now").catch(() => undefined)));
    for (const reader of readers) reader?.close();
    open.length = 0;
    return readers.every((reader) => reader !== undefined);
  });
}

async function publish(type: string, events: readonly string[]): Promise<void> {
  const answer = await stack.call("POST", `/event-types/${type}/events`, `[${events.join(",")}]`);
  expect(answer.status).toBe(200);
}

interface Shown {
  readonly payload?: string | null;
  readonly is_cut?: true;
  readonly partition: number;
  readonly offset: number;
  readonly fate: string;
  readonly event_id: string | null;
  readonly about?: string;
}
interface TailFrame {
  readonly came: number;
  readonly matched: number;
  readonly events: readonly Shown[];
  readonly fates: readonly Shown[];
}
const byName = (a: unknown[], b: unknown[]): number => String(a[0]).localeCompare(String(b[0]));
const tailsOf = (reader: LiveReader): TailFrame[] =>
  reader.of("tail").flatMap(({ data }) => (data as { frames: TailFrame[] }).frames);

const events = (reader: LiveReader): readonly Shown[] => tailsOf(reader).flatMap((frame) => frame.events);
const idsOf = (reader: LiveReader): (string | null)[] => events(reader).map((event) => event.event_id);

async function refused(query: string, token = stack.token): Promise<unknown> {
  const authorization = `Bearer ${token}`;
  const answer = await stack.call("GET", `/v1/live?${query}`, undefined, { authorization });
  expect(answer.status).toBe(429);
  return ((await answer.json()) as { limit: string }).limit;
}

test("now says what the books say, and each asker sees only what he may read", async () => {
  await publish(TYPE, [
    orderEvent(1, "1"),
    orderEvent(1, "1"),
    orderEvent(2, "2"),
    orderEvent(3, "9223372036854775808"),
  ]);
  await publish(HIDDEN, [orderEvent(1, "1")]);
  await stack.settled(TYPE);
  await stack.settled(HIDDEN);
  const [all, one] = [await look("topics=now"), await look("topics=now", stranger.token)];
  await eventually("frames", 10_000, async () => all.of("now").length > 2 && one.of("now").length > 2);
  const { items } = await stack.get<{ items: Record<string, unknown>[] }>("/v1/books");
  const shown = all.of("now").at(-1)!.data as {
    event_types: Record<string, unknown>[];
    last_commit: { at: string };
  };
  const fields = ["event_type", "accepted", "landed", "duplicates", "dead_letters", "in_flight", "balanced"];
  const pick = (from: Record<string, unknown>): unknown[] => fields.map((field) => from[field]);
  expect(shown.event_types.map(pick).toSorted(byName)).toEqual(items.map(pick).toSorted(byName));
  expect(items.find((item) => item["event_type"] === TYPE)).toMatchObject({
    landed: 2,
    duplicates: 1,
    dead_letters: 1,
  });
  const ownTypes = one.of("now").flatMap(({ data }) => (data as typeof shown).event_types);
  expect(new Set(ownTypes.map((item) => item["event_type"]))).toEqual(new Set([TYPE]));
  expect(JSON.stringify(one.frames)).not.toContain(HIDDEN);
  await closeAll();
});

test("a tail shows events at once, and then what became of each", async () => {
  const reader = await look(`topics=now,tail:${TYPE}`);
  const texts = [orderEvent(10, "10"), orderEvent(1, "1"), orderEvent(11, "9223372036854775808")];
  await eventually("the stream is open", 5_000, async () => reader.of("now").length > 0);
  await publish(TYPE, texts);
  const fates = (): Map<string, Shown> =>
    new Map(
      tailsOf(reader).flatMap((frame) =>
        frame.fates.map((fate) => [`${fate.partition}:${fate.offset}`, fate]),
      ),
    );
  const found = (id: string): Shown | undefined => {
    const event = tailsOf(reader)
      .flatMap((frame) => frame.events)
      .findLast((one) => one.event_id === id);
    return event && fates().get(`${event.partition}:${event.offset}`);
  };
  await eventually("fates", 20_000, async () =>
    [10, 1, 11].every((index) => found(eventId(index)) !== undefined),
  );
  expect([10, 1, 11].map((index) => found(eventId(index))!.fate)).toEqual([
    "landed",
    "duplicate",
    "dead_letter",
  ]);
  expect(found(eventId(11))!.about).toContain("/number");
  await closeAll();
});

test("of a burst it shows a sample, and counts all", async () => {
  const reader = await look(`topics=tail:${TYPE}`);
  await eventually("the newest are shown", 5_000, async () => tailsOf(reader).length > 0);
  const before = tailsOf(reader).length;
  const total = 3_000;
  for (let from = 0; from < total; from += 1_000)
    await publish(
      TYPE,
      Array.from({ length: 1_000 }, (_, at) => orderEvent(1_000 + from + at, "5")),
    );
  const came = (): number =>
    tailsOf(reader)
      .slice(before)
      .reduce((sum, frame) => sum + frame.came, 0);
  await eventually("all are counted", 10_000, async () => came() >= total);
  expect(came()).toBe(total);
  const shown = tailsOf(reader).slice(before);
  // 40 a second are 10 in a look.
  expect(Math.max(...shown.map((frame) => frame.events.length))).toBe(10);
  const sampled = shown.flatMap((frame) =>
    frame.events.map(({ partition, offset }) => `${partition}:${offset}`),
  );
  expect(new Set(sampled).size).toBe(sampled.length);
  await closeAll();
});

test("filters hold here: a text, and a fate, rare as it may be", async () => {
  const searched = await look(`topics=tail:${TYPE}&contains=${encodeURIComponent('"note":"n7001"')}`);
  const dead = await look(`topics=tail:${TYPE}&fate=dead_letter`);
  await eventually("old dead letters are shown", 10_000, async () => tailsOf(dead).length > 0);
  await publish(
    TYPE,
    Array.from({ length: 900 }, (_, at) => orderEvent(7_000 + at, "5")),
  );
  await publish(TYPE, [orderEvent(8_500, "9223372036854775808")]);
  await eventually("the one event", 10_000, async () => events(searched).length > 0);
  expect(events(searched).map((event) => event.event_id)).toEqual([eventId(7_001)]);
  await eventually("the dead letter", 10_000, async () =>
    events(dead).some((event) => event.event_id === eventId(8_500)),
  );
  expect(new Set(events(dead).map((event) => event.fate))).toEqual(new Set(["dead_letter"]));
  await closeAll();
});

/** Of one of several tails: what it shows, and fates with what they are of. */
function ofTail(reader: LiveReader, at: number): Shown[] {
  const own = reader.of("tail").filter(({ data }) => (data as { tail: number }).tail === at);
  const frames = own.flatMap(({ data }) => (data as { frames: TailFrame[] }).frames);
  return frames.flatMap((frame) => [...frame.events, ...frame.fates]);
}

const idsOfTail = (reader: LiveReader, at: number): unknown[] =>
  ofTail(reader, at).flatMap(({ event_id: id }) => id ?? []);

test("tails of landed events and of duplicates show those alone; late ones say so, long ones are cut", async () => {
  const reader = await look(`topics=tail:${TYPE},tail:${TYPE}&fate=landed&fate=duplicate`);
  await eventually("old duplicates", 20_000, async () => ofTail(reader, 1).length > 0);
  const long = orderEvent(9_501, "1").replace('"n9501"', `"${"x".repeat(5_000)}"`);
  const late = orderEvent(9_502, "1").replace(
    /"occurred_at":"[^"]*"/,
    '"occurred_at":"2020-01-01T00:00:00Z"',
  );
  await publish(TYPE, [long, late, long, orderEvent(9_503, "9223372036854775808")]);
  const found = (at: number, index: number): Shown | undefined =>
    ofTail(reader, at).find((one) => one.event_id === eventId(index));
  await eventually("fates", 30_000, async () =>
    [found(0, 9_501), found(0, 9_502), found(1, 9_501)].every((one) => one !== undefined),
  );
  expect(found(0, 9_501)).toMatchObject({ fate: "landed", is_cut: true, payload: long.slice(0, 4_096) });
  expect(found(0, 9_502)).toMatchObject({ fate: "landed late", payload: late });
  expect(found(0, 9_502)!.is_cut).toBeUndefined();
  expect(found(1, 9_501)).toMatchObject({ fate: "duplicate", about: "bytes identical" });
  expect([found(0, 9_503), found(1, 9_502), found(1, 9_503)]).toEqual([undefined, undefined, undefined]);
  expect(new Set(ofTail(reader, 0).map(({ fate }) => fate))).toEqual(new Set(["landed", "landed late"]));
  expect(new Set(ofTail(reader, 1).map(({ fate }) => fate))).toEqual(new Set(["duplicate"]));
  await closeAll();
});

test("each tail has the filter in its place; one that is given is for all", async () => {
  const each = await look(`topics=tail:${TYPE},tail:${TYPE}&contains=n9601%22&contains=n9602%22`);
  await publish(
    TYPE,
    [9_601, 9_602, 9_603].map((index) => orderEvent(index, "1")),
  );
  await eventually(
    "both",
    10_000,
    async () => idsOfTail(each, 0).length > 0 && idsOfTail(each, 1).length > 0,
  );
  expect([idsOfTail(each, 0), idsOfTail(each, 1)]).toEqual([[eventId(9_601)], [eventId(9_602)]]);
  await closeAll();
});

test("who was away goes on where he was, and who was away too long is told", async () => {
  const first = await look(`topics=tail:${TYPE}`);
  await eventually("something is shown", 10_000, async () => tailsOf(first).length > 0);
  await publish(TYPE, [orderEvent(9_001, "1")]);
  await eventually("the first", 10_000, async () => idsOf(first).includes(eventId(9_001)));
  const { id } = first.frames.at(-1)!;
  first.close();
  await publish(TYPE, [orderEvent(9_002, "1")]);
  const again = await look(`topics=tail:${TYPE}`, stack.token, { "last-event-id": id });
  await eventually("the second", 10_000, async () => idsOf(again).includes(eventId(9_002)));
  expect(idsOf(again)).not.toContain(eventId(9_001));
  expect(again.of("resync")).toEqual([]);
  const lost = await look(`topics=tail:${TYPE}`, stack.token, { "last-event-id": "other-5" });
  await eventually("told to read anew", 5_000, async () => lost.of("resync").length === 1);
  await closeAll();
});

test("what may not be read is not there, and a token that is taken back ends its stream", async () => {
  for (const [query, status] of [
    [`topics=tail:${HIDDEN}`, 404],
    ["topics=tail:no.such", 404],
    ["topics=dead_letters", 400],
    ["", 400],
    [`topics=tail:${TYPE}&fate=lost`, 400],
    ["topics=now&seconds=0", 400],
    ["topics=now&seconds=86401", 400],
    [`topics=tail:${TYPE}&contains=${"x".repeat(201)}`, 400],
    [`topics=${Array(5).fill(`tail:${TYPE}`).join(",")}`, 400],
    [`topics=now,tail:${TYPE},tail:${HIDDEN}`, 404],
  ] as const) {
    const answer = await stack.call("GET", `/v1/live?${query}`, undefined, {
      authorization: `Bearer ${stranger.token}`,
    });
    expect([query, answer.status]).toEqual([query, status]);
  }
  expect((await fetch(`${stack.url}/v1/live?topics=now`)).status).toBe(401);
  const short = await stack.call("GET", "/v1/live?topics=now&seconds=1");
  expect(await short.text()).toMatch(/event: now[^]*event: bye\ndata: {"code":"over"/);
  const reader = await look(`topics=now,tail:${TYPE}`, stranger.token);
  await eventually("it is open", 5_000, async () => reader.of("now").length > 0);
  expect((await stack.call("DELETE", `/v1/tokens/${stranger.id}`)).status).toBeLessThan(300);
  await eventually("it ends", 10_000, async () => reader.isOver);
  expect(reader.of("bye").map(({ data }) => (data as { code: string }).code)).toEqual(["auth.invalid"]);
  await closeAll();
});

test("the lag is since when the oldest event waits, not since when one landed", async () => {
  const type = "live.paused";
  await stack.call("POST", "/event-types", orderType(type, 1));
  const paused = async (verb: string): Promise<void> => {
    expect((await stack.call("POST", `/v1/tables/${type}/${verb}`, {})).status).toBe(200);
  };
  const reader = await look("topics=now");
  const lags = (): number[] => reader.of("now").map(({ data }) => (data as { lag_ms: number }).lag_ms);
  await publish(type, [orderEvent(1, "1")]);
  await stack.settled(type);
  await paused("pause");
  // Long since anything landed; then one event, which is new.
  const seen = reader.of("now").length;
  await eventually("it is quiet", 15_000, async () => lags().slice(seen).length >= 4);
  expect(lags().slice(seen + 1)).toEqual(
    lags()
      .slice(seen + 1)
      .map(() => 0),
  );
  const publishedMs = performance.now();
  await publish(type, [orderEvent(2, "1")]);
  await eventually("it waits", 10_000, async () => lags().at(-1)! > 0);
  expect(lags().at(-1)).toBeLessThanOrEqual(performance.now() - publishedMs + 1);
  await eventually("the lag grows", 10_000, async () => lags().at(-1)! > 2_000);
  await paused("resume");
  await eventually("it is gone", 10_000, async () => lags().at(-1) === 0);
  await closeAll();
});

/** Whether the newest overview names it. */
function told(reader: LiveReader, name: string): boolean {
  return JSON.stringify(reader.of("now").at(-1)?.data ?? null).includes(`"${name}"`);
}

test("a grant that is lost while the token lives: now is silent about it, a tail of it ends", async () => {
  const shared = { action: "read", kind: "table", name: TYPE };
  const lost = { ...shared, name: HIDDEN };
  const role = async (grants: readonly unknown[]): Promise<void> => {
    expect((await stack.call("PUT", "/v1/roles/watcher", { grants })).status).toBeLessThan(300);
  };
  await role([shared, lost]);
  const made = await stack.call("POST", "/v1/tokens", { description: "by its role", roles: ["watcher"] });
  const { token } = (await made.json()) as { token: string };
  await publish(HIDDEN, [orderEvent(9_800, "1")]);
  const both = await look(`topics=now,tail:${HIDDEN}`, token);
  const overview = await look("topics=now", token);
  await eventually("both are told of, and the tail speaks", 10_000, async () => {
    return told(overview, HIDDEN) && told(overview, TYPE) && idsOf(both).length > 0;
  });
  await role([shared]);
  const [before, shown] = [overview.of("now").length, idsOf(both)];
  await publish(HIDDEN, [orderEvent(9_900, "1")]);
  await eventually("the tail ends", 10_000, async () => both.isOver);
  expect(both.of("bye").map(({ data }) => (data as { code: string }).code)).toEqual(["auth.forbidden"]);
  expect(idsOf(both)).toEqual(shown);
  await eventually("the overview goes on", 10_000, async () => overview.of("now").length >= before + 3);
  // What was on its way when the grant went is let pass.
  const later = JSON.stringify(overview.of("now").slice(before + 1));
  expect([later.includes(TYPE), later.includes(HIDDEN), overview.isOver]).toEqual([true, false, false]);
  // And given back, it is told again, without a new stream.
  await role([shared, lost]);
  await eventually("it is told again", 10_000, async () => told(overview, HIDDEN));
  await closeAll();
});

/** Takes every place of one principal with streams that the server itself ends. */
async function placesFree(): Promise<void> {
  await eventually("places are free", 10_000, async () => {
    const takes = [1, 2, 3].map(() => look("topics=now&seconds=1").catch(() => undefined));
    const readers = (await Promise.all(takes)).filter((reader) => reader !== undefined);
    await eventually("they are over", 10_000, async () => readers.every((reader) => reader.isOver));
    return readers.length === takes.length;
  });
}

/** As soon as the server has noticed that those before have gone. */
async function lookSoon(query: string, token = stack.token): Promise<ReturnType<typeof look>> {
  const taken: Awaited<ReturnType<typeof look>>[] = [];
  await eventually("a place is free", 10_000, async () => {
    const reader = await look(query, token).catch(() => undefined);
    if (reader) taken.push(reader);
    return reader !== undefined;
  });
  return taken[0]!;
}

test("streams, streams of one, and tails are bounded", async () => {
  await placesFree();
  await lookSoon(`topics=tail:${TYPE}&contains=a`);
  await lookSoon(`topics=tail:${TYPE}&contains=b`);
  expect(await refused(`topics=tail:${TYPE}&contains=c`)).toBe("live.tails");
  // Refused, it took no place.
  await lookSoon(`topics=tail:${TYPE}&contains=a`);
  expect(await refused("topics=now")).toBe("live.perPrincipal");
  // Of all principals together; each of them has fewer than he may.
  const grants = [{ action: "read", kind: "table", name: TYPE }];
  const made = await stack.call("POST", "/v1/tokens", { description: "another", grants });
  const { token } = (await made.json()) as { token: string };
  const fourth = await lookSoon("topics=now", token);
  expect(await refused("topics=now", token)).toBe("live.clients");
  fourth.close();
  const again = async (): Promise<boolean> =>
    (await look("topics=now", token).catch(() => undefined)) !== undefined;
  await eventually("the place is free again", 10_000, again);
  expect(await refused("topics=now", token)).toBe("live.clients");
  await closeAll();
});
