/** The commands against the whole program: what they print, where, and with which exit code. */
import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { main } from "../../../api/cli/main.ts";
import type { DemoFlags, StartFlags } from "../../../api/cli/services.ts";
import { systemClock } from "../../../core/clock.ts";
import { eventId, orderEvent, orderType, startStack, type Stack } from "../stack.ts";

const TYPE = "ORDER_PLACED";

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

interface RunOptions {
  readonly stdin?: string;
  readonly environment?: Record<string, string>;
  readonly signal?: AbortSignal;
  readonly onOut?: (text: string) => void;
}

let stack: Stack;
let folder: string;
let started: StartFlags | undefined;
let demonstrated: DemoFlags | undefined;

/** Runs a command line as a process would, in this one. */
async function muara(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const out: Uint8Array[] = [];
  const err: string[] = [];
  async function* stdin(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(options.stdin ?? "");
  }
  const code = await main(argv, {
    version: "1.2.3",
    start: async (flags) => {
      started = flags;
      return 0;
    },
    demo: async (flags) => {
      demonstrated = flags;
      return 0;
    },
    io: {
      stdout: {
        write: (text) => {
          out.push(Buffer.from(text));
          options.onOut?.(String(text));
        },
      },
      stderr: { write: (text) => err.push(String(text)) },
      stdin: stdin(),
      environment: { MUARA_URL: stack.url, MUARA_DATA: stack.data, ...options.environment },
      fetch,
      clock: systemClock,
      signal: options.signal ?? new AbortController().signal,
    },
  });
  return { code, out: Buffer.concat(out).toString(), err: err.join("") };
}

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "muara-cli-"));
  stack = await startStack();
  await stack.call("POST", "/event-types", orderType(TYPE, 2));
  const events = Array.from({ length: 20 }, (_, i) => orderEvent(i, String(i)));
  events.push(orderEvent(3, "3"), orderEvent(20, "92233720368547758080"));
  const sent = await muara(["send", TYPE, "-", "--batch", "7"], { stdin: events.join("\n") });
  assert.deepEqual(sent, { code: 0, out: "submitted  22\nfailed     0\n", err: "" });
  await stack.settled(TYPE);
});

afterAll(async () => {
  await stack.close();
  await rm(folder, { recursive: true, force: true });
});

describe("send", () => {
  test("reports what was refused, and sends the rest of that request again", async () => {
    const good = orderEvent(100, "501");
    const bad = '{"metadata":{"eid":"not-a-uuid","occurred_at":"2026-01-01T00:00:00Z"},"number":1}';
    const file = path.join(folder, "events.json");
    await writeFile(file, `[${good},\n ${bad},\n ${orderEvent(101, "502")}]`);
    const sent = await muara(["send", TYPE, file, "-o", "json"]);
    expect(sent.code).toBe(1);
    expect(JSON.parse(sent.out)).toEqual([{ submitted: 2, failed: 1 }]);
    expect(sent.err).toContain("event.id_malformed");
    await stack.settled(TYPE);
  });

  test("fails with a sentence for what is no JSON, no file and no event type", async () => {
    expect(await muara(["send", TYPE], { stdin: "hello" })).toMatchObject({
      code: 2,
      err: expect.stringContaining("line 1: an event is a JSON object"),
    });
    expect((await muara(["send", TYPE, path.join(folder, "nothing")])).code).toBe(3);
    expect((await muara(["send", "UNKNOWN"], { stdin: "{}" })).code).toBe(3);
  });
});

describe("sql", () => {
  const query = `SELECT event_id, number FROM ${TYPE} WHERE number < 3 ORDER BY number`;

  test("prints rows in every format", async () => {
    const table = await muara(["sql", query]);
    expect(table.out.split("\n")[1]).toBe(`${eventId(0)}       0`);
    const json = await muara(["sql", query, "-o", "json"]);
    expect(JSON.parse(json.out)).toEqual([0, 1, 2].map((i) => ({ event_id: eventId(i), number: String(i) })));
    expect((await muara(["-o", "csv", "sql", query])).out).toMatch(/^event_id,number\r\n/);
    expect((await muara(["sql", query, "-o", "jsonl"])).out.split("\n").length).toBe(4);
    expect((await muara(["sql", query, "-o", "parquet"])).out).toMatch(/^PAR1/);
    expect((await muara(["sql", `${query} LIMIT 0`, "-o", "json"])).out).toBe("[]\n");
  });

  test("reads from a file or stdin, says when rows are cut off, travels in time", async () => {
    const file = path.join(folder, "q.sql");
    await writeFile(file, "SELECT 42 AS answer");
    expect((await muara(["sql", "-f", file])).out).toBe("answer\n    42\n");
    expect((await muara(["sql"], { stdin: "SELECT 43 AS answer" })).out).toBe("answer\n    43\n");
    const cut = await muara(["sql", "SELECT * FROM range(10)", "--limit", "3"]);
    expect(cut.err).toContain("only the first 3 rows");
    const past = await muara(["sql", `SELECT count(*) AS n FROM ${TYPE}`, "--at", "0"]);
    expect(past.out).toBe("n\n0\n");
  });

  test.each([
    ["SELEC 1", 1, "line 1, column 1"],
    ["FROM nothing", 3, "[table.not_found]"],
    ["FROM read_text('x')", 4, "[sql.refused]"],
  ])("of %s exits with %i", async (statement, code, text) => {
    const failed = await muara(["sql", statement]);
    expect([failed.code, failed.out]).toEqual([code, ""]);
    expect(failed.err).toContain(text);
  });
});

describe("tail", () => {
  test("prints the newest with their fate and exits", async () => {
    const tail = await muara(["tail", TYPE, "-n", "50", "-o", "jsonl"]);
    const lines = tail.out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const fates = lines.map((line) => line["fate"]);
    expect(fates.filter((fate) => String(fate).startsWith("landed")).length).toBe(22);
    expect(fates.filter((fate) => fate === "duplicate").length).toBe(1);
    expect(fates.filter((fate) => fate === "dead letter").length).toBe(1);
    const times = lines.map((line) => String(line["ingest_time"]));
    expect(times).toEqual(times.toSorted());
    expect(lines.find((line) => line["event_id"] === eventId(7))?.["event"]).toEqual({
      number: 7,
      note: "n7",
    });
    expect((await muara(["tail", TYPE, "-n", "2"])).out.trim().split("\n").length).toBe(3);
    expect((await muara(["tail", TYPE, "-n", "2", "--since", "0s"])).out.trim().split("\n").length).toBe(1);
    expect((await muara(["tail", "books", "-n", "1"])).code).toBe(2);
  });

  test("follows: what comes later is printed once", async () => {
    const stop = new AbortController();
    let seen = "";
    const following = muara(["tail", TYPE, "-n", "1", "--follow", "-o", "csv"], {
      signal: stop.signal,
      onOut: (text) => {
        seen += text;
        if (seen.includes(eventId(201))) stop.abort();
      },
    });
    await muara(["send", TYPE], { stdin: orderEvent(200, "1") });
    await stack.settled(TYPE);
    await muara(["send", TYPE], { stdin: orderEvent(201, "1") });
    expect((await following).code).toBe(130);
    expect(seen.split(eventId(200)).length).toBe(2);
    expect(seen.split("ingest_time,").length).toBe(2);
  });
});

describe("trace, books, dead-letters, table", () => {
  test("tell where an event is", async () => {
    const trace = await muara(["trace", eventId(3)]);
    expect(trace.code).toBe(0);
    expect(trace.out).toMatch(/^fate +event_type +partition +offset/);
    expect(trace.out).toMatch(/^landed .*(?:in time|late)$/m);
    expect(trace.out).toMatch(/^duplicate .*bytes identical; first: partition \d, offset \d+$/m);
    expect(await muara(["trace", "nothing", "-o", "json"])).toMatchObject({ code: 3, out: "[]\n" });
  });

  test("balance", async () => {
    const books = await muara(["books", "--check"]);
    expect(books).toMatchObject({ code: 0, err: "" });
    expect(books.out).toMatch(/^ORDER_PLACED +\d+ +\d+ +\d+ +1 +0 +true$/m);
    expect((await muara(["books", TYPE, "--by", "hour", "-o", "csv"])).out).toMatch(
      /^event_type,partition,hour,/,
    );
  });

  test("show what could not land", async () => {
    const list = await muara(["dead-letters", "list", "--since", "1h", "-o", "json"]);
    const [letter] = JSON.parse(list.out) as { dead_letter_id: string; reason: string }[];
    expect(letter?.reason).toBe("event.value_out_of_range");
    const shown = await muara(["dead-letters", "show", letter!.dead_letter_id]);
    expect(shown.out).toContain("92233720368547758080");
    expect((await muara(["dead-letters", "show", "x"])).code).toBe(3);
    expect((await muara(["dead-letters", "list", "--reason", "event.schema", "-o", "json"])).out).toBe(
      "[]\n",
    );
  });

  test("describe tables", async () => {
    expect((await muara(["table", "list"])).out).toMatch(/^ORDER_PLACED +event_type/m);
    expect((await muara(["table", "show", TYPE])).out).toMatch(/^number +BIGINT/m);
    expect((await muara(["table", "history", TYPE, "-n", "1", "-o", "jsonl"])).out.split("\n").length).toBe(
      2,
    );
    expect((await muara(["table", "show", "nothing"])).code).toBe(3);
  });

  test("compare versions of a table", async () => {
    const first = JSON.parse((await muara(["table", "diff", TYPE, "0", "1", "-o", "json"])).out) as {
      added: { files: number; rows: number };
    }[];
    expect(first[0]).toMatchObject({ table: TYPE, from: 0, to: 1, removed: { files: 0 } });
    expect(first[0]!.added.rows).toBeGreaterThan(0);
    expect((await muara(["table", "diff", TYPE])).out).toMatch(/^added +\d+ files, \d+ bytes, \d+ rows/m);
    expect((await muara(["table", "diff", TYPE, "0", "1"])).out).toMatch(/^counter +muara:land +/m);
    expect((await muara(["table", "diff", TYPE, "0", "99999"])).code).toBe(3);
    expect((await muara(["table", "diff", TYPE, "x"])).code).toBe(1);
    expect((await muara(["table", "diff", "nothing"])).code).toBe(3);
  });

  test("verify a table, and find what is wrong with it", async () => {
    const sound = await muara(["table", "verify", TYPE, "--deep"]);
    expect([sound.code, sound.out]).toEqual([0, expect.stringMatching(/^content +holds +every checksum/m)]);
    const lake = path.join(stack.data, "lake", TYPE);
    const files = await readdir(lake, { recursive: true });
    const file = path.join(
      lake,
      files.find((name) => name.endsWith(".parquet") && name.includes("ingest_date"))!,
    );
    const bytes = await readFile(file);
    try {
      await writeFile(file, Buffer.concat([bytes, Buffer.from("x")]));
      const broken = await muara(["table", "verify", TYPE, "-o", "json"]);
      expect(broken.code).toBe(6);
      expect((JSON.parse(broken.out) as unknown[])[0]).toMatchObject({
        holds: false,
        fault_count: 1,
        faults: [{ check: "files" }],
      });
    } finally {
      await writeFile(file, bytes);
    }
    expect((await muara(["table", "verify", "nothing"])).code).toBe(3);
  });
});

describe("token", () => {
  test("is created, used, listed and revoked", async () => {
    const created = await muara(["token", "create", "--grant", `read:table:${TYPE}`, "--expires", "1h"]);
    const token = created.out.trim();
    expect(token).toMatch(/^muara_[0-9a-f]{12}_/);
    expect(created.err).not.toContain(token);
    const environment = { MUARA_TOKEN: token };
    expect((await muara(["sql", `SELECT 1 FROM ${TYPE} LIMIT 1`], { environment })).code).toBe(0);
    expect((await muara(["token", "list"], { environment })).code).toBe(4);
    const id = token.split("_")[1]!;
    expect((await muara(["token", "list"])).out).toContain(id);
    expect((await muara(["token", "revoke", id, "--yes"])).code).toBe(0);
    expect((await muara(["table", "list"], { environment })).code).toBe(4);
    expect((await muara(["token", "revoke", id, "--yes"])).code).toBe(3);
    expect((await muara(["token", "create", "--grant", "everything"])).code).toBe(2);
  });
});

describe("the command line", () => {
  test("says what to do next", async () => {
    const next = async (argv: readonly string[], input?: string): Promise<string> =>
      (await muara(argv, input === undefined ? {} : { stdin: input })).err;
    const near = await next(["table", "show", `${TYPE}S`]);
    expect(near).toContain(`There is no table "${TYPE}S". Did you mean "${TYPE}"? [table.not_found]\n`);
    expect(near).toContain("  Those that you may read: muara table list\n");
    expect(await next(["tail", "zzzzzz", "-n", "1"])).toContain('There is no table "zzzzzz". [');
    expect(await next(["send", "NOPE", "-"], "{}")).toContain("muara event-type set FILE");
    expect(await next(["send", TYPE, "-"], "")).toContain("there was no event in the input");
    expect(await next(["sql", "SELECT 1", "--at", "yesterday"])).toContain('not "yesterday"');
    expect(await next(["token", "create"])).toContain("--grant read:table:*");
    expect(await next(["trace", "nobody"])).toContain("the answer to its publishing says why");
    expect((await muara(["tail", "--help"])).out).toMatch(/Options of all commands .*: muara --help\n$/);
  });

  test("knows its usage", async () => {
    expect((await muara(["--version"])).out).toBe("1.2.3\n");
    expect((await muara(["--help"])).code).toBe(0);
    for (const wrong of [["nothing"], ["sql", "--colour"], ["-o", "xml", "books"], ["tail"], []])
      expect((await muara(wrong)).code).toBe(2);
    expect((await muara(["table", "list", "-o", "parquet"])).code).toBe(2);
    expect((await muara(["tail", TYPE, "-n", "none"])).code).toBe(2);
  });

  test("says who does not answer, and gives no token to strangers", async () => {
    const environment = { MUARA_URL: "http://127.0.0.1:9" };
    const failed = await muara(["books"], { environment });
    expect([failed.code, failed.out]).toEqual([7, ""]);
    expect(failed.err).toMatch(/cannot reach .*\n.*npm run dev/);
    for (const url of ["127.0.0.1:8080", "localhost:8080", "file:///"])
      expect(await muara(["books", "--url", url])).toMatchObject({
        code: 2,
        err: expect.stringMatching(/^muara: ".*" is no address\.\n {2}Give --url like http/),
      });
    const refused = await muara(["books"], { environment: { MUARA_DATA: folder } });
    expect(refused).toMatchObject({ code: 4, err: expect.stringContaining("--token") });
  });

  test("hands start and demo their flags", async () => {
    const places = ["--data", "d", "--log", "kafka://h:1", "--lake", "s3://b"];
    const argv = ["start", "ingest", "land", ...places, "--port", "0", "--host", "::1", "--config", "c.ts"];
    expect((await muara(argv)).code).toBe(0);
    expect(started).toMatchObject({
      mode: "start",
      workers: ["ingest", "land"],
      data: "d",
      log: "kafka://h:1",
      lake: "s3://b",
      port: 0,
      host: "::1",
      config: "c.ts",
    });
    await muara([
      "demo",
      "--seed",
      "3",
      "--rate",
      "9",
      "--fresh",
      "--exit-after",
      "5s",
      "--no-open",
      "-o",
      "json",
    ]);
    expect(demonstrated).toMatchObject({
      seed: 3,
      rate: 9,
      isFresh: true,
      exitAfterMs: 5_000,
      opensBrowser: false,
      output: "json",
      data: undefined,
    });
  });

  test("shows, checks and explains the configuration", async () => {
    const file = path.join(folder, "muara.config.mjs");
    await writeFile(file, "export default { port: 9999 };");
    const shown = await muara(["config", "show", "--config", file, "-o", "json"], {
      environment: { MUARA_LAND_COMMIT_MS: "250", MUARA_DATA: "elsewhere" },
    });
    const items = JSON.parse(shown.out) as { key: string; value: unknown; origin: string }[];
    const of = (key: string): unknown => items.find((item) => item.key === key);
    expect(of("port")).toMatchObject({ value: 9999, origin: "file" });
    expect(of("land.commitMs")).toMatchObject({ value: 250, origin: "environment" });
    expect(of("host")).toMatchObject({ value: "127.0.0.1", origin: "default" });
    expect((await muara(["config", "check", "--config", file])).err).toMatch(/^valid: 2 of \d+ keys set/);
    await writeFile(`${file}.bad.mjs`, "export default { prot: 1 };");
    expect((await muara(["config", "check", "--config", `${file}.bad.mjs`])).code).toBe(1);
    expect((await muara(["config", "docs"])).out).toMatch(/^land\.commitMs +500 +MUARA_LAND_COMMIT_MS/m);
  });

  test("examines itself", async () => {
    const checks = JSON.parse((await muara(["doctor", "-o", "json"])).out) as {
      check: string;
      state: string;
    }[];
    expect(checks.map((check) => [check.check, check.state])).toEqual([
      ["versions", "ok"],
      ["query engine", "ok"],
      ["configuration", "ok"],
      ["data folder", "ok"],
      ["permissions", "ok"],
      ["disk", expect.any(String)],
      ["port", "ok"],
      ["service", "ok"],
      ["clock", "ok"],
      ["token", "ok"],
    ]);
  });
});

/** The dead letter of an event. */
async function deadLetterOf(index: number): Promise<string> {
  const list = await muara(["dead-letters", "list", "-o", "json"]);
  const letters = JSON.parse(list.out) as { dead_letter_id: string; event_id: string }[];
  return letters.find((letter) => letter.event_id === eventId(index))!.dead_letter_id;
}

describe("dead-letters replay, duplicates", () => {
  const TOO_LARGE = "92233720368547758080";
  test("a replay is rehearsed, corrected, done once, and seen", async () => {
    const dead = [60, 61, 62].map((i) => orderEvent(i, TOO_LARGE)).join("\n");
    await muara(["send", TYPE], { stdin: dead });
    await stack.settled(TYPE);
    const [first, second] = [await deadLetterOf(60), await deadLetterOf(61)];
    const replay = (...more: string[]): Promise<Ran> => muara(["dead-letters", "replay", ...more]);
    const rehearsal = await replay("--type", TYPE, "--since", "1h", "--dry-run", "-o", "csv");
    expect(rehearsal).toMatchObject({ code: 1, err: "4 refused\n" });
    expect(rehearsal.out).toContain("event.value_out_of_range,/number");
    const set = ["--set", "/number=9007199254740993", "--set", '/note="by hand"', "--remove", "/metadata/x"];
    expect((await replay(first, ...set, "--dry-run")).out).toContain("dead_letter.correction");
    expect(await replay(first, ...set.slice(0, 4))).toMatchObject({ code: 0, err: "1 accepted\n" });
    const whole = await muara(["dead-letters", "replay", second, "--edit", "-"], {
      stdin: orderEvent(61, "61"),
    });
    expect(whole).toMatchObject({ code: 0, err: "1 accepted\n" });
    await stack.settled(TYPE);
    const rows = await muara([
      "sql",
      `SELECT number, note FROM ${TYPE} WHERE number IN (61, 9007199254740993) ORDER BY number`,
      "-o",
      "csv",
    ]);
    expect(rows.out).toBe("number,note\r\n61,n61\r\n9007199254740993,by hand\r\n");
    const again = await replay(first, first, "--set", "/number=1");
    expect(again).toMatchObject({ code: 1, err: "1 refused\n" });
    expect(again.out).toContain("dead_letter.replayed");
    const landed = await muara(["dead-letters", "list", "--state", "landed", "-o", "csv"]);
    expect(landed.out.trim().split("\r\n")).toHaveLength(3);
    const trace = await muara(["trace", eventId(60)]);
    expect(trace.out).toMatch(/^landed /m);
    expect(trace.out).toMatch(/^dead_letter .*replayed: landed; event.value_out_of_range/m);
    const rest = await replay("--all", "--set", "/number=5", "-n", "1");
    expect(rest).toMatchObject({ code: 0, err: "1 accepted\n" });
  });

  test("what it is not told clearly it does not do", async () => {
    for (const args of [
      [],
      ["x", "--all"],
      ["x", "--type", TYPE],
      ["x", "--set", "/number"],
      ["--all", "-n", "0"],
    ]) {
      const { code, out } = await muara(["dead-letters", "replay", ...args]);
      expect([args, code, out]).toEqual([args, 2, ""]);
    }
    const whole = await muara(["dead-letters", "replay", "--all", "--edit", "-"], { stdin: "{}" });
    expect(whole).toMatchObject({ code: 2, out: "" });
  });

  test("duplicates are listed and shown beside what landed", async () => {
    await muara(["send", TYPE], { stdin: orderEvent(3, "33") });
    await stack.settled(TYPE);
    const list = await muara(["duplicates", "list", "--verdict", "different", "--since", "1h", "-o", "json"]);
    const items = JSON.parse(list.out) as { duplicate_id: string; event_id: string }[];
    expect(items.map((item) => item.event_id)).toEqual([eventId(3)]);
    const shown = await muara(["duplicates", "show", items[0]!.duplicate_id]);
    expect(shown.out).toMatch(/^\/number +3 +33$/m);
    expect((await muara(["duplicates", "show", "x"])).code).toBe(3);
    expect((await muara(["books"])).err).toContain("duplicates list --verdict different");
  });
});
