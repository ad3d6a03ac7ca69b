import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, test } from "vitest";
import { logCasesFor } from "../../conformance/log.ts";
import { openS3Log } from "../../../adapters/s3/log.ts";
import { seededRandomness, systemClock } from "../../../core/clock.ts";
import { hasCode } from "../../../core/errors.ts";
import type { Log } from "../../../core/ports/log.ts";
import { DELETE, type LogHarness, readAll, textBatch } from "../../conformance/log-harness.ts";
import { runHistory } from "../../conformance/log-history.ts";
import { type S3Server, startS3 } from "../../services/versitygw.ts";
import { lossyStore } from "./lossy-store.ts";
import { memoryStore, s3LogHarness } from "./s3-harness.ts";

const run = promisify(execFile);
const WRITER = fileURLToPath(new URL("racing-writer.ts", import.meta.url));
const WRITERS = 4;
const BATCHES = 40;
/** Until every process runs. */
const START_MS = 4_000;

let server: S3Server;
beforeAll(async () => {
  server = await startS3();
});
afterAll(() => server.stop());

/** A real server's clock cannot be moved: nothing is too young to be deleted. */
async function serverHarness(): Promise<LogHarness> {
  const store = server.store(await server.freshAddress("log"));
  return s3LogHarness(() => store, { graceMs: -10_000 });
}

const { abilities } = s3LogHarness(memoryStore);

describe("conformance over S3", () => {
  for (const [name, run_] of logCasesFor(abilities))
    // oxlint-disable-next-line vitest/valid-title -- they are strings
    test(name, async () => run_(await serverHarness()));
});

test("random histories on S3 equal the model", async () => {
  for (let seed = 1; seed <= 3; seed++) await runHistory(await serverHarness(), { seed, steps: 40 });
});

test("over a network that loses answers every record is stored once", async () => {
  const store = server.store(await server.freshAddress("log"));
  const open = async (seed: number): Promise<Log> => {
    const lossy = lossyStore(store, seededRandomness(seed), 0.15);
    const services = { clock: systemClock, randomness: seededRandomness(seed + 100) };
    return repeatedly(() => openS3Log({ store: lossy, ...services, freshMs: 0, settleMs: 2_000 }));
  };
  const logs = await Promise.all([1, 2, 3].map(open));
  await repeatedly(() => logs[0]!.createStream("s", DELETE));
  const lane = async (log: Log, id: string): Promise<string[]> => {
    const sent = Array.from({ length: 15 }, (_, sequence) => `${id}.${sequence}`);
    for (const [sequence, text] of sent.entries())
      await repeatedly(() => log.append("s", 0, textBatch(text), { id, epoch: 0, sequence }));
    return sent;
  };
  const sent = await Promise.all(logs.flatMap((log, i) => [lane(log, `${i}a`), lane(log, `${i}b`)]));
  const records = await readAll(await s3LogHarness(() => store).open(), "s", 0, 0);
  assert.deepEqual(records.map(({ payload }) => payload!).toSorted(), sent.flat().toSorted());
  assert.deepEqual(
    records.map(({ offset }) => offset),
    records.map((_, i) => i),
  );
});

/** As a producer does: what is not known is sent again. */
async function repeatedly<Result>(work: () => Promise<Result>): Promise<Result> {
  for (;;)
    try {
      return await work();
    } catch (error) {
      if (!hasCode(error, "log.append_unknown") && !hasCode(error, "store.unavailable")) throw error;
    }
}

test("processes that race for the same streams lose nothing and double nothing", async () => {
  const address = await server.freshAddress("log");
  const runtime = "Deno" in globalThis ? ["run", "-A"] : [];
  const { accessKeyId, secretAccessKey } = server.credentials;
  const env = { ...process.env, AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
  const startMs = Date.now() + START_MS;
  const outputs = await Promise.all(
    Array.from({ length: WRITERS }, (_, i) =>
      run(process.execPath, [...runtime, WRITER, address, `w${i}`, String(BATCHES), String(startMs)], {
        env,
        timeout: 50_000,
      }),
    ),
  );
  const answers = outputs.flatMap(
    ({ stdout }) => JSON.parse(stdout) as { text: string; partition: number; baseOffset: number }[],
  );
  assert.equal(answers.length, WRITERS * 4 * BATCHES);
  const log = await s3LogHarness(() => server.store(address)).open();
  for (const partition of [0, 1]) {
    const records = await readAll(log, "s", partition, 0);
    assert.deepEqual(
      records.map(({ offset }) => offset),
      records.map((_, i) => i),
    );
    const own = answers.filter((answer) => answer.partition === partition);
    assert.equal(records.length, own.length * 2, "something was lost or stored twice");
    for (const { text, baseOffset } of own) {
      assert.equal(records[baseOffset]!.payload, `${text}.a`);
      assert.equal(records[baseOffset + 1]!.payload, `${text}.b`);
    }
    const counted = (await log.accepted("s")).filter((count) => count.partition === partition);
    assert.equal(
      counted.reduce((sum, { count }) => sum + count, 0),
      records.length,
    );
  }
});
