/**
 * Every escape for real. Through the service: each is refused, nothing is read or written, the service answers on.
 * And without the gate, straight in a query process: whatever the engine makes of it, no canary comes out, no file
 * outside of the process's own folder changes.
 */
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasCode, MuaraError } from "../../../core/errors.ts";
import type { QueryRows, QueryService } from "../../../lake/query/service.ts";
import { Bypass, type Outcome } from "./bypass.ts";
import { escapeList } from "./escape-list.ts";
import { CANARY, makeGuardedLake, READER, type GuardedLake } from "./guarded-lake.ts";

const REFUSALS = new Set(["sql.refused", "sql.syntax", "table.not_found"]);
const SIDE_BY_SIDE = 3;

let guarded: GuardedLake;
let service: QueryService;
let untouched: string;
let escapes: ReturnType<typeof escapeList>;
let folder: string;

beforeAll(async () => {
  guarded = await makeGuardedLake();
  untouched = await guarded.fingerprint();
  escapes = escapeList(guarded.places);
  service = guarded.lake.service({ warm: SIDE_BY_SIDE, concurrency: SIDE_BY_SIDE, timeoutMs: 60_000 });
  folder = await mkdtemp(path.join(os.tmpdir(), "muara-escape-"));
});
afterAll(async () => {
  await guarded.close();
  await rm(folder, { recursive: true, force: true });
});

/**
 * Comes again as long as it is told to: a process that has just been killed keeps its slot until it is gone, which on a
 * busy machine takes longer than a query waits for a slot. Nobody has looked at the statement then.
 */
async function rowsOf(sql: string): Promise<QueryRows["rows"]> {
  for (;;)
    try {
      return (await service.rows({ sql, principal: READER }, new AbortController().signal)).rows;
    } catch (error) {
      if (!hasCode(error, "sql.busy")) throw error;
    }
}

/** @returns what is wrong with the way that it was refused; undefined where nothing is */
async function tryThroughService([what, sql]: readonly [string, string]): Promise<string | undefined> {
  const said = (text: string): string => `${what}: ${sql.slice(0, 200)} → ${text}`;
  try {
    const rows = await rowsOf(sql);
    return said(`answered ${JSON.stringify(rows).slice(0, 200)}`);
  } catch (error) {
    if (!(error instanceof MuaraError)) throw error;
    if (`${error.message} ${JSON.stringify(error.details)}`.includes(CANARY)) return said("told the canary");
    return REFUSALS.has(error.code) ? undefined : said(`${error.code}: ${error.message}`);
  }
}

describe("an escape", () => {
  test("is refused by the service, without a trace", async () => {
    const waiting = [...escapes];
    const wrong: (string | undefined)[] = [];
    const work = async (): Promise<void> => {
      for (let next = waiting.pop(); next; next = waiting.pop()) wrong.push(await tryThroughService(next));
    };
    await Promise.all(Array.from({ length: SIDE_BY_SIDE }, work));
    expect(wrong.length).toBeGreaterThanOrEqual(250);
    console.log(`${wrong.length} escapes through the service, ${wrong.filter(Boolean).length} got anywhere`);
    expect(wrong.filter(Boolean)).toEqual([]);
    expect(await guarded.fingerprint()).toBe(untouched);
    expect(await rowsOf("SELECT count(*) FROM orders")).toEqual([["3"]]);
  }, 400_000);

  // Where the machine has no namespaces, `raw` is left out: then "one SELECT" is the wall against COPY.
  test.each([
    ["behind the walls, raw", true, true],
    ["without walls, one SELECT only", false, false],
  ])(
    "that has passed the gate reads and writes nothing: %s",
    async (_name, isConfined, isRaw) => {
      const { lake, orders } = guarded;
      const bypass = await Bypass.open({
        root: path.join(folder, isConfined ? "confined" : "plain"),
        lake: lake.root,
        tables: [orders],
        isConfined,
      });
      if (!bypass) {
        console.log("no namespaces on this machine: not tried without the rule of one SELECT");
        return;
      }
      const count = { answer: 0, error: 0, died: 0, late: 0 };
      const escaped: string[] = [];
      for (const [what, sql] of escapes) {
        const outcome: Outcome = await bypass.run(sql, isRaw);
        count[outcome.kind]++;
        if (outcome.text.includes(CANARY)) escaped.push(`${what}: ${sql.slice(0, 200)}: told the canary`);
        if ((await guarded.fingerprint()) !== untouched) {
          escaped.push(`${what}: ${sql.slice(0, 200)}: changed a file`);
          break;
        }
      }
      await bypass.close();
      console.log(
        `${escapes.length} escapes without the gate: ${JSON.stringify(count)}, ${bypass.starts} processes`,
      );
      expect(escaped).toEqual([]);
      expect(count.error).toBeGreaterThan(escapes.length / 2);
    },
    400_000,
  );
});
