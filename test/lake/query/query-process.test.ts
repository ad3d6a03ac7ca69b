/** The process by itself: what its engine refuses even when the gate has been passed, and that it never outlives us. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../../core/clock.ts";
import { MuaraError } from "../../../core/errors.ts";
import { plainLaunch } from "../../../lake/query/launcher.ts";
import { encodeJson, FrameReader, FRAME_JSON, type Report } from "../../../lake/query/protocol.ts";
import { QueryProcess } from "../../../lake/query/query-process.ts";

const CANARY = "canary-91b2";
const OVER = new MuaraError("internal", "the test is over");
const CHILD = fileURLToPath(new URL("../../../lake/query/child.ts", import.meta.url));

let folder: string;
let outside: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "muara-process-"));
  outside = path.join(folder, "outside.csv");
  await writeFile(outside, `${CANARY}\n`);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function start(): Promise<QueryProcess> {
  const own = await mkdtemp(path.join(folder, "q-"));
  const limits = { memoryBytes: 1e9, engineBytes: 5e8, threads: 1, spillBytes: 1e9, fileBytes: 1e8 };
  const launch = plainLaunch({ root: folder, lake: undefined, ...limits });
  const child = new QueryProcess({ folder: own, launch, memoryBytes: 1e9, clock: systemClock });
  expect(await child.next()).toEqual({ report: "ready" });
  return child;
}

/** Runs SQL that the gate has never seen. */
async function runUngated(sql: string): Promise<string> {
  const child = await start();
  child.guard(20_000, new AbortController().signal);
  child.send({ order: "run", sql, tables: [], format: "json", rows: 100 });
  const said: string[] = [];
  for (;;) {
    const arrival = await child.next().catch((error: unknown) => String(error));
    if (typeof arrival === "string") return `${said.join("\n")}\n${arrival}`;
    said.push(arrival.report === "data" ? arrival.bytes.toString() : JSON.stringify(arrival));
    if (arrival.report === "done" || arrival.report === "failed") break;
  }
  child.kill(OVER);
  await child.gone();
  return said.join("\n");
}

describe("the second layer", () => {
  test("reads and writes nothing outside of the files it was given", async () => {
    const out = path.join(folder, "written");
    for (const sql of [
      `FROM read_text('${outside}')`,
      `FROM '${outside}'`,
      `FROM read_csv('${outside}')`,
      `COPY (SELECT 1) TO '${out}'`,
      `ATTACH '${out}' AS other`,
      "SET enable_external_access = true",
      "SET allowed_paths = ['/']",
      "INSTALL httpfs",
    ]) {
      const said = await runUngated(sql);
      expect(said).toContain('"report":"failed"');
      expect(said).not.toContain(CANARY);
    }
    await expect(readFile(out)).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("knows nothing of the service's environment", async () => {
    process.env["MUARA_TEST_SECRET"] = CANARY;
    try {
      const child = await start();
      const environment = await readFile(`/proc/${child.pid}/environ`, "utf8").catch(() => "");
      const names = environment.split("\0").map((entry) => entry.split("=")[0]);
      expect(names.filter((name) => !["", "NODE_COMPILE_CACHE", "PWD"].includes(name!))).toEqual([]);
      child.kill(OVER);
      await child.gone();
    } finally {
      delete process.env["MUARA_TEST_SECRET"];
    }
  });
});

describe("the end", () => {
  test("of the parent is the end of the process, also in the middle of a query", async () => {
    const child = spawn(process.execPath, [CHILD, "500000000", "1"], {
      cwd: folder,
      env: {},
      stdio: ["pipe", "pipe", "inherit"],
    });
    const reader = new FrameReader();
    const reports: Report[] = [];
    child.stdout.on("data", (chunk: Buffer) => {
      for (const frame of reader.push(chunk))
        if (frame.kind === FRAME_JSON) reports.push(JSON.parse(frame.body.toString()) as Report);
    });
    while (reports.length === 0) await once(child.stdout, "data");
    const sql = "SELECT count(*) FROM range(1000000000000)";
    child.stdin.write(encodeJson({ order: "run", sql, tables: [], format: "json", rows: 1 }));
    setTimeout(() => child.stdin.destroy(), 300);
    const [, signal] = (await once(child, "exit")) as [number | null, string | null];
    expect(signal).toBe("SIGKILL");
  });

  test("removes the folder, and is told to whoever still asks", async () => {
    const child = await start();
    process.kill(child.pid!, "SIGKILL");
    await expect(child.next()).rejects.toMatchObject({ code: "sql.memory" });
    expect(child.isAlive).toBe(false);
    await child.gone();
    await expect
      .poll(async () => (await readdir(folder)).filter((name) => name.startsWith("q-")))
      .toEqual([]);
  });
});

/** What is said of a process that writes a text to stderr and ends. */
async function endOf(said: string, code: number): Promise<string> {
  const folderOfIt = await mkdtemp(path.join(folder, "m-"));
  const args = ["-e", `process.stderr.write(${JSON.stringify(said)}); process.exitCode = ${code}`];
  const launch = { command: process.execPath, args, env: {}, isWrapped: false };
  const child = new QueryProcess({ folder: folderOfIt, launch, memoryBytes: 1e9, clock: systemClock });
  return child.next().then(
    () => "none",
    (error: unknown) => (error as MuaraError).code,
  );
}

describe("an end for lack of memory", () => {
  test("is told apart from any other end, whoever gave up first", async () => {
    // The C library's, V8's, the engine's and C++'s own words at the limit of the data segment.
    for (const said of [
      "cannot allocate memory for thread-local data: ABORT",
      "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
      "Out of Memory Error: could not allocate block of size 256.0 KiB",
      "terminate called after throwing an instance of 'std::bad_alloc'",
    ])
      expect(await endOf(said, 127)).toBe("sql.memory");
    expect(await endOf("", 137)).toBe("sql.memory");
    expect(await endOf("Segmentation fault", 1)).toBe("sql.failed");
  });
});

describe("frames", () => {
  test("are cut right wherever the bytes are cut", () => {
    const reports: Report[] = [{ report: "ready" }, { report: "done", rows: 5, isTruncated: false }];
    const bytes = Buffer.concat(reports.map((one) => encodeJson(one)));
    for (let size = 1; size <= bytes.length; size++) {
      const reader = new FrameReader();
      const found: unknown[] = [];
      for (let from = 0; from < bytes.length; from += size)
        for (const frame of reader.push(bytes.subarray(from, from + size)))
          found.push(JSON.parse(frame.body.toString()));
      expect(found).toEqual(reports);
    }
  });

  test("of something else are an error", () => {
    expect(() => new FrameReader().push(Buffer.from("hello, world"))).toThrow("no frame");
  });
});
