/**
 * Dead letters of two types, one without event ids, are replayed with corrections of every kind while the process
 * is killed again and again. Whatever answer was lost is asked for again. In the end each dead letter is what a plain
 * model says, every row is there once, and the books balance.
 */
import { afterEach, expect, test } from "vitest";
import { seededRandomness } from "../../core/clock.ts";
import { eventually, startMuara, temporaryFolder, type MuaraProcess } from "../services/muara.ts";

const LETTERS = 24;
const KILLS = 3;
const SEED = Number(process.env["MUARA_TEST_SEED"] ?? 20_261_121);
const TOO_LARGE = "9223372036854775808";
const ID_TYPE = "shop.order";
const PLAIN_TYPE = "shop.click";

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** What is asked for, and what must come of it. */
interface Case {
  readonly type: string;
  readonly eventId: string;
  readonly correction: object | undefined;
  readonly state: "open" | "landed" | "duplicate";
  /** The row's number where it lands. */
  readonly number: string;
  deadLetterId: string;
}

function uuid(n: number): string {
  return `00000000-0000-4000-8000-${n.toString(16).padStart(12, "0")}`;
}

function eventOf(id: string, number: string, tag: number): string {
  return `{"metadata":{"eid":"${id}","occurred_at":"2026-03-01T12:00:00Z"},"number":${number},"tag":${tag}}`;
}

function typeOf(name: string, category: string): object {
  const properties = { number: { type: "integer" }, tag: { type: "integer" } };
  const schema = { type: "json_schema", schema: JSON.stringify({ type: "object", properties }) };
  return { name, owning_application: "test", category, schema };
}

function casesOf(random: () => number): Case[] {
  return Array.from({ length: LETTERS }, (_, i): Case => {
    const number = String(9_007_199_254_740_993n + BigInt(i));
    const base = { type: ID_TYPE, eventId: uuid(i), number, deadLetterId: "" };
    const set = { "/number": number };
    switch (Math.floor(random() * 6)) {
      case 0: // not corrected, or not enough
        return { ...base, correction: random() < 0.5 ? undefined : { set: { "/tag": "7" } }, state: "open" };
      case 1: // what does not fit
        return { ...base, correction: { set: { "/x/y": "1" } }, state: "open" };
      case 2: // under the id of another event, which has landed
        return {
          ...base,
          correction: { set: { ...set, "/metadata/eid": JSON.stringify(uuid(1_000_000).toUpperCase()) } },
          state: "duplicate",
        };
      case 3: // without an id nothing but the note knows that it is the same
        return { ...base, type: PLAIN_TYPE, correction: { set }, state: "landed" };
      case 4: // under a new id
        return {
          ...base,
          correction: { set: { ...set, "/metadata/eid": JSON.stringify(uuid(2_000_000 + i)) } },
          state: "landed",
        };
      default:
        return { ...base, correction: { set }, state: "landed" };
    }
  });
}

async function post(muara: MuaraProcess, path: string, body: unknown): Promise<unknown> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const response = await muara.fetch(path, { method: "POST", body: text });
  const answer = await response.text();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${answer}`);
  return answer === "" ? undefined : JSON.parse(answer);
}

function sorted(list: readonly unknown[][]): string[] {
  return list.map((row) => JSON.stringify(row)).sort();
}

/** Replays that are told. */
function countOf(states: readonly unknown[][]): number {
  return states.filter(([, state]) => state !== "open").length;
}

async function settled(muara: MuaraProcess): Promise<void> {
  await eventually("everything is booked", 30_000, async () => {
    const books = (await (await muara.fetch("/v1/books?by=hour")).json()) as {
      items: { in_flight: number }[];
    };
    return books.items.length > 0 && books.items.every((item) => item.in_flight === 0);
  });
}

test("replays are done once, whatever crashes", { timeout: 300_000 }, async () => {
  const chance = seededRandomness(SEED);
  const folder = await temporaryFolder("replay");
  cleanups.push(folder.remove);
  let muara = await startMuara(folder.path);
  cleanups.push(() => muara.kill());
  await post(muara, "/event-types", typeOf(ID_TYPE, "business"));
  await post(muara, "/event-types", typeOf(PLAIN_TYPE, "undefined"));
  const cases = casesOf(() => chance.fraction());
  for (const type of [ID_TYPE, PLAIN_TYPE]) {
    const dead = cases.flatMap((one, i) => (one.type === type ? eventOf(one.eventId, TOO_LARGE, i) : []));
    await post(muara, `/event-types/${type}/events`, `[${dead.join(",")}]`);
  }
  await post(muara, `/event-types/${ID_TYPE}/events`, `[${eventOf(uuid(1_000_000), "1", 1_000_000)}]`);
  await settled(muara);
  const rows = await muara.sql("SELECT dead_letter_id, payload::VARCHAR FROM dead_letters");
  for (const [id, payload] of rows) {
    const tag = Number(/tag(?:"|\\x22):(\d+)/.exec(String(payload))![1]);
    cases[tag]!.deadLetterId = String(id);
  }
  expect(cases.every((one) => one.deadLetterId !== "")).toBe(true);

  // Each until an answer came; a kill falls into some of them.
  const kills = new Set(Array.from({ length: KILLS }, () => Math.floor(chance.fraction() * LETTERS)));
  for (const [i, one] of cases.entries()) {
    const ask = async (): Promise<string> => {
      const body = { ids: [one.deadLetterId], ...(one.correction ? { correction: one.correction } : {}) };
      const { items } = (await post(muara, "/v1/dead-letters/replay", body)) as {
        items: { outcome: string; code: string | null }[];
      };
      return items[0]!.outcome === "accepted" ? "accepted" : String(items[0]!.code);
    };
    let answer: string | undefined;
    if (kills.has(i)) {
      const asked = ask().catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, chance.fraction() * 600));
      await muara.kill();
      answer = await asked;
      muara = await startMuara(folder.path);
    }
    answer ??= await ask();
    const done = ["accepted", "dead_letter.replayed"];
    expect([i, done.includes(answer)], `seed ${SEED}: ${answer}`).toEqual([i, one.state !== "open"]);
    // Sometimes once more: it is refused, or still not right.
    const again = chance.fraction() < 0.2 ? await ask() : "not asked";
    expect(again).not.toBe("accepted");
  }
  await settled(muara);

  const expected = cases.map((one) => [one.deadLetterId, one.state, one.state === "open" ? "0" : "1"]);
  const statesNow = (): Promise<unknown[][]> =>
    muara.sql(`SELECT d.dead_letter_id, coalesce(any_value(r.outcome), 'open'), count(r.outcome)
    FROM dead_letters AS d LEFT JOIN replays AS r ON r.dead_letter_id = d.dead_letter_id GROUP BY ALL`);
  // The table of replays is written beside the books, a moment later.
  await eventually("every replay is told", 30_000, async () => {
    return countOf(await statesNow()) >= countOf(expected);
  });
  const states = await statesNow();
  expect(sorted(states), `seed ${SEED}`).toEqual(sorted(expected));
  for (const type of [ID_TYPE, PLAIN_TYPE]) {
    const landed = cases.flatMap((one, i) =>
      one.type === type && one.state === "landed" ? [[String(i), one.number]] : [],
    );
    const present = await muara.sql(`SELECT tag, number FROM "${type}" WHERE tag < 1000000`);
    expect(sorted(present), `seed ${SEED}`).toEqual(sorted(landed));
  }
  const books = (await (await muara.fetch("/v1/books")).json()) as {
    items: { event_type: string; accepted: number; dead_letters: number; balanced: boolean }[];
  };
  expect(books.items.every((item) => item.balanced)).toBe(true);
  const replays = cases.filter((one) => one.state !== "open").length;
  const sum = (name: "accepted" | "dead_letters"): number =>
    books.items.reduce((total, item) => total + item[name], 0);
  expect([sum("accepted"), sum("dead_letters")]).toEqual([LETTERS + 1 + replays, LETTERS]);
});
