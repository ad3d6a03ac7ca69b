/** The command line as a process: exit codes, pipes, signals, terminals, colours; one by one, against a real Muara. */
import { execFile, spawn } from "node:child_process";
import { chmod, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePort } from "../../services/free-port.ts";
import { eventually, startMuara, temporaryFolder, type MuaraProcess } from "../../services/muara.ts";
import { orderEvent, orderType } from "../stack.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const BIN = join(ROOT, "muara.js");
const TYPE = "ORDER_PLACED";
const WAIT_MS = 60_000;
const ESCAPE = "\u001b[";

const CE_TYPE = {
  name: "sale.made",
  owning_application: "shop",
  category: "cloudevent",
  schema: { type: "json_schema", schema: { type: "object", properties: { n: { type: "integer" } } } },
};

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

let muara: MuaraProcess;
let folder: string;
/** Where nothing listens. */
let closed: string;
const cleanups: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  const made = await temporaryFolder("manners");
  cleanups.push(made.remove);
  folder = made.path;
  closed = `http://127.0.0.1:${await freePort()}`;
  muara = await startMuara(join(folder, "data"));
  cleanups.push(() => muara.stop());
  await muara.fetch("/event-types", { method: "POST", body: JSON.stringify(orderType(TYPE, 2)) });
  await publish(0, 20);
  await eventually("they have landed", WAIT_MS, async () => {
    const { items } = (await (await muara.fetch("/v1/books")).json()) as { items: { landed: number }[] };
    return items[0]?.landed === 20;
  });
}, 120_000);
afterAll(async () => {
  for (const cleanup of cleanups.toReversed()) await cleanup();
});

async function publish(from: number, count: number): Promise<void> {
  const events = Array.from({ length: count }, (_, i) => orderEvent(from + i, String(from + i)));
  const body = `[${events.join(",")}]`;
  expect((await muara.fetch(`/event-types/${TYPE}/events`, { method: "POST", body })).status).toBe(200);
}

function environment(more: Record<string, string> = {}): NodeJS.ProcessEnv {
  const { PATH, HOME } = process.env;
  const own = {
    MUARA_URL: muara.url,
    MUARA_DATA: join(folder, "data"),
    XDG_STATE_HOME: join(folder, "state"),
  };
  return { PATH, HOME, ...own, ...more };
}

/** As a process, with pipes. */
function run(args: readonly string[], more: Record<string, string> = {}, input = ""): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { cwd: folder, env: environment(more) };
    const child = execFile(process.execPath, [BIN, ...args], options, (error, out, err) => {
      resolve({ code: error ? (child.exitCode ?? -1) : 0, out, err });
    });
    child.stdin!.end(input);
  });
}

/** As in a shell, for pipes. */
function shell(line: string, more: Record<string, string> = {}): Promise<Ended> {
  const env = environment({ MUARA: `${process.execPath} ${BIN}`, ...more });
  return new Promise((resolve) => {
    const child = execFile("bash", ["-c", line], { cwd: folder, env }, (error, out, err) => {
      resolve({ code: error ? (child.exitCode ?? -1) : 0, out, err });
    });
  });
}

/** At a terminal. @param typed pairs: what to wait for, and what is then typed */
async function terminal(
  args: readonly string[],
  typed: readonly (readonly [RegExp, string])[],
  more: Record<string, string> = {},
): Promise<{ readonly code: number | null; readonly text: string }> {
  const line = [process.execPath, BIN, ...args].map((word) => `'${word}'`).join(" ");
  const env = environment({ TERM: "xterm", ...more });
  const child = spawn("script", ["-qefc", line, "/dev/null"], { cwd: folder, env });
  let text = "";
  let seen = 0;
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  for (const [wanted, answer] of typed) {
    await eventually(`${String(wanted)} is there`, WAIT_MS, () => {
      return Promise.resolve(wanted.test(text.slice(seen)) || child.exitCode !== null);
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${JSON.stringify(text)}`);
    });
    seen = text.length;
    child.stdin.write(answer);
  }
  return { code: await ended, text };
}

describe("exit codes, each by a real command", { timeout: 120_000 }, () => {
  test("0 done, 1 failed, 2 usage", async () => {
    expect(await run(["table", "list", "-o", "csv"])).toMatchObject({ code: 0, err: "" });
    const refused = await run(["sql", "SELECT * FROM"]);
    expect(refused).toMatchObject({ code: 1, out: "" });
    expect(refused.err).toMatch(/^muara: .+ \[sql\.\w+\]\n {2}.+\n {2}request id: .+\n$/);
    expect(await run(["tabel"])).toMatchObject({
      code: 2,
      err: expect.stringContaining("Did you mean table?"),
    });
    expect((await run(["table", "list", "-o", "yaml"])).code).toBe(2);
    expect((await run(["tail", TYPE, "-n", "none"])).code).toBe(2);
  });

  test("3 not found, of a thing and of a file", async () => {
    expect((await run(["table", "show", "nothing"])).err).toContain("[table.not_found]");
    expect((await run(["table", "show", "nothing"])).code).toBe(3);
    expect(await run(["rule", "deploy", "nowhere.json"])).toEqual({
      code: 3,
      out: "",
      err: "muara: cannot open nowhere.json: there is no such file.\n",
    });
  });

  test("4 not allowed: without a token, and with one that may not", async () => {
    const nobody = await run(["table", "list", "--data", join(folder, "elsewhere")]);
    expect([nobody.code, nobody.err]).toEqual([4, expect.stringContaining("MUARA_TOKEN")]);
    const made = await run(["token", "create", "--grant", `read:table:${TYPE}`]);
    const less = await run(["token", "list"], { MUARA_TOKEN: made.out.trim() });
    expect([less.code, less.err]).toEqual([4, expect.stringContaining("auth.forbidden")]);
  });

  test("5 a conflict, 6 a check that does not hold", async () => {
    expect((await run(["init", "shop"])).code).toBe(0);
    expect(await run(["init", "shop"])).toMatchObject({ code: 5, err: expect.stringContaining("--force") });
    // A file of the table is damaged behind its back.
    const table = join(folder, "data", "lake", TYPE);
    const [row] = await muara.sql(`SELECT max(ingest_date) FROM ${TYPE}`);
    expect(row).toBeDefined();
    const found = await shell(`find '${table}' -name '*.parquet' | head -1`);
    const file = found.out.trim();
    const good = await readFile(file);
    await chmod(file, 0o600);
    await writeFile(file, Buffer.concat([good.subarray(0, 100), Buffer.from("x"), good.subarray(101)]));
    expect((await run(["verify", TYPE, "--deep"])).code).toBe(6);
    await writeFile(file, good);
    expect((await run(["verify", "--deep"])).code).toBe(0);
  });

  test("7 unreachable, at once or after the time that was given", async () => {
    const away = await run(["table", "list", "--url", closed]);
    expect([away.code, away.err]).toEqual([7, expect.stringContaining("nothing listens there")]);
    const waited = await run(["health", "--wait", "1s", "--url", closed]);
    expect([waited.code, waited.err]).toEqual([
      7,
      expect.stringMatching(/^waiting: .*\nmuara: not ready after 1 s/),
    ]);
  });

  test("130 interrupted", async () => {
    const child = spawn(process.execPath, [BIN, "tail", TYPE, "-o", "jsonl"], { env: environment() });
    let out = "";
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    await eventually("it tails", WAIT_MS, () => Promise.resolve(out.includes("\n")));
    child.kill("SIGINT");
    expect(await new Promise((resolve) => child.once("close", resolve))).toBe(130);
  });
});

describe("pipes", { timeout: 120_000 }, () => {
  test("a reader that has seen enough is no error, of what ends and of what follows", async () => {
    const big = await shell(
      `$MUARA sql "SELECT * FROM range(200000)" -o jsonl --limit 200000 | head -1; echo "\${PIPESTATUS[0]}"`,
    );
    expect(big).toEqual({ code: 0, out: expect.stringMatching(/^\{.*\}\n0\n$/), err: "" });
    const following = shell(`$MUARA tail ${TYPE} -o jsonl | head -12 | tail -1; echo "\${PIPESTATUS[0]}"`);
    for (let i = 100; i < 104; i++) await publish(i, 1);
    let isOver = false;
    void following.then(() => (isOver = true));
    await eventually("it ends", WAIT_MS, async () => {
      if (!isOver) await publish(200 + Math.floor(performance.now()), 1);
      return isOver;
    });
    const { out, err } = await following;
    expect([out, err]).toEqual([expect.stringMatching(/^\{.*"fate":"landed.*\}\n0\n$/), ""]);
  });

  test("a line of a stream is there at once, whole", async () => {
    const child = spawn(process.execPath, [BIN, "health", "--watch", "-o", "jsonl"], { env: environment() });
    let out = "";
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    await eventually("a line", WAIT_MS, () => Promise.resolve(out.endsWith("\n")));
    expect(JSON.parse(out)).toMatchObject({ status: "ready", checks: { log: "ok" } });
    child.kill("SIGINT");
    expect(await new Promise((resolve) => child.once("close", resolve))).toBe(130);
  });

  test("nothing is `[]` in JSON, and nothing at all line by line", async () => {
    expect((await run(["job", "list", "-o", "json"])).out).toBe("[]\n");
    expect((await run(["job", "list", "-o", "jsonl"])).out).toBe("");
    expect((await run(["tail", TYPE, "-n", "5", "--where", "number = -1", "-o", "json"])).out).toBe("[]\n");
  });

  test("-q says nothing, -v says more", async () => {
    const query = ["sql", `SELECT number FROM ${TYPE}`, "--limit", "1"];
    expect((await run(query)).err).toContain("only the first 1 rows");
    expect((await run([...query, "-q"])).err).toBe("");
    expect((await run([...query, "-v"])).err).toContain("complete through");
  });
});

describe("colours", { timeout: 120_000 }, () => {
  const list = ["table", "list"];
  test("none in a pipe, unless they are forced; NO_COLOR and --no-color come first", async () => {
    expect((await run(list)).out).not.toContain(ESCAPE);
    expect((await run(list, { FORCE_COLOR: "1" })).out).toContain(ESCAPE);
    expect((await run(list, { FORCE_COLOR: "0" })).out).not.toContain(ESCAPE);
    expect((await run(list, { FORCE_COLOR: "1", NO_COLOR: "1" })).out).not.toContain(ESCAPE);
    expect((await run([...list, "--no-color"], { FORCE_COLOR: "1" })).out).not.toContain(ESCAPE);
    expect((await run([...list, "-o", "json"], { FORCE_COLOR: "1" })).out).not.toContain(ESCAPE);
  });

  test("at a terminal, unless it is dumb", async () => {
    expect((await terminal(list, [])).text).toContain(ESCAPE);
    expect((await terminal(list, [], { TERM: "dumb" })).text).not.toContain(ESCAPE);
    expect((await terminal(list, [], { NO_COLOR: "1" })).text).not.toContain(ESCAPE);
    expect((await terminal(["table", "show", "nothing"], [])).text).toContain(`${ESCAPE}31mmuara:`);
  });
});

describe("what is gone for good", { timeout: 120_000 }, () => {
  test("is asked about at a terminal", async () => {
    const role = ["role", "set", "temps", "--grant", "read:table:x"];
    expect((await run(role)).code).toBe(0);
    const no = await terminal(["role", "remove", "temps"], [[/\[y\/N\] $/, "n\n"]]);
    expect([no.code, no.text]).toEqual([1, expect.stringContaining("nothing was changed")]);
    const empty = await terminal(["role", "remove", "temps"], [[/\[y\/N\] $/, "\n"]]);
    expect(empty.code).toBe(1);
    const never = await terminal(["role", "remove", "temps", "--no-input"], []);
    expect([never.code, never.text]).toEqual([2, expect.stringContaining("--yes")]);
    expect((await run(["role", "list"])).out).toContain("temps");
    const yes = await terminal(["role", "remove", "temps"], [[/\[y\/N\] $/, "y\n"]]);
    expect(yes.code).toBe(0);
    expect((await run(["role", "list"])).out).not.toContain("temps");
  });
});

async function tail(...args: string[]): Promise<{ fate: string; event: { number: number } }[]> {
  return JSON.parse((await run(["tail", TYPE, ...args, "-o", "json"])).out) as never;
}

describe("tail", { timeout: 120_000 }, () => {
  test("--where and --fate choose", async () => {
    const some = await tail("-n", "50", "--where", "number BETWEEN 3 AND 5 -- these");
    expect(new Set(some.map(({ event }) => event.number))).toEqual(new Set([3, 4, 5]));
    await publish(7, 1);
    await eventually(
      "the duplicate is known",
      WAIT_MS,
      async () => (await tail("-n", "9", "--fate", "duplicate")).length > 0,
    );
    expect(new Set((await tail("-n", "9", "--fate", "duplicate")).map(({ fate }) => fate))).toEqual(
      new Set(["duplicate"]),
    );
    expect((await tail("-n", "500", "--fate", "landed")).every(({ fate }) => fate.startsWith("landed"))).toBe(
      true,
    );
    expect((await run(["tail", TYPE, "--where", "true", "--fate", "duplicate"])).code).toBe(2);
    expect((await run(["tail", TYPE, "-n", "1", "--where", "nothing = 1"])).code).toBe(1);
  });

  test("what is older is not taken for new, in a partition that is not among the newest lines", async () => {
    const child = spawn(process.execPath, [BIN, "tail", TYPE, "-n", "1", "--follow", "-o", "jsonl"], {
      env: environment(),
    });
    let out = "";
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    const lines = (): string[] => out.split("\n").filter((line) => line !== "");
    await eventually("the first line", WAIT_MS, () => Promise.resolve(lines().length >= 1));
    await publish(900_000, 1);
    await eventually("the new event", WAIT_MS, () => Promise.resolve(out.includes('"number":900000')));
    child.kill("SIGINT");
    await new Promise((resolve) => child.once("close", resolve));
    expect(lines().length).toBe(2);
  });
});

test(
  "the shell answers, completes, keeps its history for its owner, and survives mistakes",
  { timeout: 120_000 },
  async () => {
    const prompt = /muara> /;
    const { code, text } = await terminal(
      ["sql", "--no-color"],
      [
        [prompt, ".tables\r"],
        [/ORDER_PLACED[\s\S]*muara> /, "SELECT 40 +\r"],
        [/ {3}\.\.\. /, "2 AS answer;\r"],
        [/42[\s\S]*muara> /, "SELECT nonsense FROM nowhere;\r"],
        [/table\.not_found[\s\S]*muara> /, ".mode csv\r"],
        [/muara> /, "SELECT count(*) AS n FROM ORDER_PL"],
        [/ORDER_PL/, "\t"],
        [/ACED/, " WHERE number < 3;\r"],
        [/n[\r\n]+3[\s\S]*muara> /, ".exit\r"],
      ],
    );
    expect([code, text]).toEqual([0, expect.stringContaining("answer")]);
    const history = join(folder, "state", "muara", "sql-history");
    expect((await stat(history)).mode & 0o777).toBe(0o600);
    expect((await readFile(history, "utf8")).split("\n")).toContain("SELECT 40 +");
    const again = await terminal(
      ["sql", "--no-color"],
      [
        [prompt, "\u001b[A\u001b[A\r"],
        [/3[\s\S]*muara> /, ".exit\r"],
      ],
    );
    expect(again.code).toBe(0);
  },
);

test("what init writes runs as it says", { timeout: 120_000 }, async () => {
  await mkdir(join(folder, "begin"));
  expect((await run(["init", "begin", "--type", "SALE", "--port", "18099"])).code).toBe(0);
  const shown = await run(["config", "show", "--config", "begin/muara.config.ts", "-o", "csv"]);
  expect(shown.out).toMatch(/^port,18099,file/m);
  expect((await run(["event-type", "set", "begin/event-types/SALE.json"])).code).toBe(0);
  expect((await run(["send", "SALE", "begin/events/SALE.ndjson"])).out).toMatch(/^submitted +3$/m);
  await eventually("they have landed", WAIT_MS, async () => {
    const { out } = await run(["sql", "SELECT country FROM SALE ORDER BY 1", "-o", "csv"]);
    return out === "country\r\nDE\r\nFR\r\nIT\r\n";
  });
  expect((await run(["event-type", "set", "-"], {}, JSON.stringify(CE_TYPE))).code).toBe(0);
  const ce = {
    specversion: "1.0",
    type: "sale.made",
    source: "/shop",
    id: "0b7a5d4e-6c1b-4f0e-9a53-2f1d0c9be009",
  };
  const data = { n: 9 };
  const sent = await run(
    ["send", "--ce"],
    {},
    JSON.stringify([{ ...ce, time: new Date().toISOString(), data }]),
  );
  expect(sent).toEqual({ code: 0, out: "submitted  1\nfailed     0\n", err: "" });
  const bad = await run(["send", "--ce"], {}, JSON.stringify([{ ...ce, data: { n: "nine" } }]));
  expect([bad.code, bad.err]).toEqual([1, expect.stringContaining("event.schema")]);
  expect((await run(["send", "--ce", "a", "b"])).code).toBe(2);
});

/** What bash would offer behind `words`; the last one is being typed. */
async function offered(words: readonly string[], more: Record<string, string> = {}): Promise<string[]> {
  const line = `
      muara() { ${process.execPath} ${BIN} "$@"; }
      source <(muara complete bash); source <(muara complete bash)
      COMP_WORDS=(muara ${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length}
      compopt() { :; }
      __muara_complete
      printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { out, err } = await shell(line, more);
  expect(err).toBe("");
  return out.split("\n").filter((word) => word !== "");
}

describe("completion in bash", { timeout: 120_000 }, () => {
  test("commands, verbs, options, choices", async () => {
    expect(await offered(["ta"])).toEqual(["tail", "table"]);
    expect(await offered(["table", "ro"])).toEqual(["rollback"]);
    expect(await offered(["table", "rollback", "--d"])).toEqual(
      expect.arrayContaining(["--dry-run", "--data"]),
    );
    expect(await offered(["table", "list", "--output", ""])).toEqual([
      "table",
      "json",
      "jsonl",
      "csv",
      "parquet",
      "arrow",
    ]);
    expect(await offered(["complete", "z"])).toEqual(["zsh"]);
  });

  test("names of what is there; nothing, quickly and silently, where the server is away or hangs", async () => {
    expect(await offered(["tail", "ORD"])).toEqual([TYPE]);
    expect(await offered(["table", "show", ""])).toContain(TYPE);
    expect(await offered(["--data", join(folder, "elsewhere"), "tail", "ORD"])).toEqual([]);
    expect(await offered(["tail", "ORD"], { MUARA_URL: closed })).toEqual([]);
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const startedMs = performance.now();
    const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    expect(await run(["complete", "--", "--url", url, "tail", "O"])).toEqual({
      code: 0,
      out: ":4\n",
      err: "",
    });
    expect(performance.now() - startedMs).toBeLessThan(20_000);
    silent.closeAllConnections();
    silent.close();
  });

  test("a name that a shell would act on is not offered", async () => {
    const trap = join(folder, "trap");
    const evil = createServer((_request, response) => {
      response.setHeader("content-type", "application/json");
      response.end(
        JSON.stringify({ items: [{ name: `$(touch ${trap})` }, { name: "orders" }, { name: "a b" }] }),
      );
    });
    await new Promise<void>((resolve) => evil.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(evil.address() as AddressInfo).port}`;
    expect(await offered(["table", "show", ""], { MUARA_URL: url })).toEqual(["orders"]);
    await expect(stat(trap)).rejects.toThrow("ENOENT");
    evil.closeAllConnections();
    evil.close();
  });

  test.each(["zsh", "fish", "powershell"])("there is a script for %s", async (name) => {
    const { code, out } = await run(["complete", name]);
    expect([code, out]).toEqual([0, expect.stringMatching(/muara complete '?--/)]);
  });
});
