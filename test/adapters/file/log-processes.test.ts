/** What only real processes show: kill -9 at random moments, and two of them on one directory. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import process from "node:process";
import { afterAll, test } from "vitest";
import { type FileLogOptions, openFileLog } from "../../../adapters/file/log.ts";
import { seededRandomness, systemClock, systemRandomness } from "../../../core/clock.ts";
import { MuaraError } from "../../../core/errors.ts";
import { silentLogger } from "../../../core/logger.ts";
import type { Log } from "../../../core/ports/log.ts";
import { DELETE, payloadsOf, rejects, textBatch } from "../../conformance/log-harness.ts";

const root = await mkdtemp(join(tmpdir(), "muara-processes-"));
afterAll(() => rm(root, { recursive: true, force: true }));

function open(directory: string, options: Partial<FileLogOptions> = {}): Promise<Log> {
  const common = { clock: systemClock, randomness: systemRandomness, logger: silentLogger };
  return openFileLog({ directory, ...common, ...options });
}

interface Writer {
  readonly child: ChildProcess;
  readonly lines: string[];
  /** Resolves when the log is open, or the process has ended. */
  readonly opened: Promise<void>;
}

function startWriter(directory: string, round: number): Writer {
  const script = join(import.meta.dirname, "log-writer.ts");
  const child = spawn(process.execPath, [script, directory, `${round}`], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const lines: string[] = [];
  let rest = "";
  const opened = new Promise<void>((resolve) => {
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      const parts = (rest + text).split("\n");
      rest = parts.pop()!;
      lines.push(...parts);
      resolve();
    });
    child.on("exit", () => resolve());
  });
  return { child, lines, opened };
}

async function kill({ child }: Writer): Promise<void> {
  const closed = once(child, "close");
  child.kill("SIGKILL");
  await closed;
}

test("killed at random moments, everything acknowledged is there once, in order, and at its offset", async () => {
  const directory = join(root, "killed");
  const seed = Number(process.env["MUARA_SEED"] ?? 42);
  const randomness = seededRandomness(seed);
  const rounds = process.env["MUARA_LONG"] ? 100 : 10;
  const acknowledged: { offset: number; text: string }[][] = [[], [], []];
  for (let round = 0; round < rounds; round++) {
    const writer = startWriter(directory, round);
    await writer.opened;
    await new Promise((resolve) => setTimeout(resolve, 20 + randomness.fraction() * 150));
    await kill(writer);
    for (const line of writer.lines.slice(1)) {
      const [partition, offset, text] = line.split(" ");
      acknowledged[Number(partition)]!.push({ offset: Number(offset), text: text! });
    }
    const startedMs = performance.now();
    const log = await open(directory);
    const openMs = performance.now() - startedMs;
    assert.ok(openMs < 2000, `restart took ${openMs} ms`);
    for (const partition of [0, 1, 2]) {
      const texts = (await payloadsOf(log, "s", partition)).map((text) => text!.split(" ")[0]);
      assert.equal(new Set(texts).size, texts.length, `seed ${seed} round ${round}: a record twice`);
      for (const { offset, text } of acknowledged[partition]!)
        for (const part of [0, 1, 2])
          assert.equal(texts[offset + part], `${text}.${part}`, `seed ${seed} round ${round}: lost or moved`);
      assert.equal(texts.length % 3, 0, "part of a batch");
    }
    await log.close();
  }
  const counts = acknowledged.map((records) => records.length);
  assert.ok(Math.min(...counts) > rounds, `only ${counts.join()} acknowledged`);
});

test("a second writer is refused with the owner's process; after kill -9 the directory is free at once", async () => {
  const directory = join(root, "locked");
  const writer = startWriter(directory, 0);
  await writer.opened;
  const refused = await open(directory).catch((error: unknown) => error);
  assert.ok(refused instanceof MuaraError && refused.code === "log.locked", String(refused));
  assert.equal(refused.details["pid"], writer.child.pid);
  await rejects(open(directory, { readOnly: true }), "log.locked");
  const second = startWriter(directory, 1);
  await second.opened;
  assert.deepEqual(second.lines, [], "a second process opened the log");
  assert.equal(writer.child.exitCode, null);
  await kill(writer);
  const log = await open(directory);
  await log.append("s", 0, textBatch("mine"));
  await log.close();
});

test("of many processes that start at once after a kill, one owns the log", async () => {
  const directory = join(root, "raced");
  const first = startWriter(directory, 0);
  await first.opened;
  await kill(first);
  const writers = [1, 2, 3, 4].map((round) => startWriter(directory, round));
  await Promise.all(writers.map((writer) => writer.opened));
  assert.equal(writers.filter((writer) => writer.lines.length > 0).length, 1);
  await Promise.all(writers.filter((writer) => writer.child.exitCode === null).map(kill));
  await (await open(directory)).close();
});

test("within one process a directory is opened once as well, and freed by a close or a failed start", async () => {
  const directory = join(root, "twice");
  const log = await open(directory);
  await rejects(open(directory), "log.locked");
  await log.append("none", 0, textBatch("x")).catch(() => {});
  await log.close();
  await (await open(directory)).close();
});

test("a closed log is read by many at once, and by nobody changed", async () => {
  const directory = join(root, "read");
  const log = await open(directory, { segmentBytes: 300 });
  await log.createStream("s", DELETE);
  for (let i = 0; i < 6; i++) await log.append("s", 0, textBatch(`${i}`));
  await log.retain(); // no sidecar is being written any more
  const torn = join(root, "torn");
  await cp(directory, torn, { recursive: true, filter: (path) => basename(path) !== "lock" });
  await log.close();
  const before = await readdir(directory);
  const readers = await Promise.all([1, 2, 3].map(() => open(directory, { readOnly: true })));
  for (const reader of readers) {
    assert.deepEqual(await payloadsOf(reader, "s", 0), ["0", "1", "2", "3", "4", "5"]);
    await rejects(reader.append("s", 0, textBatch("x")), "log.closed");
    await rejects(reader.createStream("t", DELETE), "log.closed");
    assert.deepEqual(await reader.createStream("s", DELETE), await reader.stream("s"));
    await rejects(reader.retain(), "log.closed");
  }
  const writer = await open(directory);
  await writer.close();
  for (const reader of readers) await reader.close();
  assert.deepEqual((await readdir(directory)).sort(), before.sort());
  const again = await open(torn, { readOnly: true });
  assert.equal((await payloadsOf(again, "s", 0)).length, 6);
  await again.close();
  await rejects(open(join(root, "nothing"), { readOnly: true }), "log.identity");
});
