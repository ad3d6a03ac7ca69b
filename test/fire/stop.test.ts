/**
 * SIGTERM under load: what is under way is answered, what comes is refused with 503 and `Connection: close`, what
 * was accepted lands, and the process ends with 0 within ten seconds. A second SIGTERM ends it at once.
 */
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { eventually, type MuaraProcess, startMuara, temporaryFolder } from "../services/muara.ts";
import { booksOf, lakeFaults, Load, type Sent, TYPE } from "./load.ts";
import { TRACED_ENVIRONMENT } from "./strace.ts";

const STOP_MS_MAX = 10_000;
const PRODUCERS = 8;
const SETTINGS = { MUARA_LAND_COMMIT_MS: "500", MUARA_QUERY_WARM: "0" };

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function folderOf(name: string): Promise<string> {
  const folder = await temporaryFolder(name);
  cleanups.push(folder.remove);
  return join(folder.path, "data");
}

async function begin(
  data: string,
  environment: Record<string, string> = {},
  prefix: readonly string[] = [],
): Promise<MuaraProcess> {
  const muara = await startMuara(data, { ...SETTINGS, ...environment }, prefix);
  cleanups.push(() => muara.kill());
  return muara;
}

/** Sends until there is nobody any more. @returns every answer that was no 200 */
async function produce(load: Load, muara: MuaraProcess): Promise<Sent[]> {
  const refusals: Sent[] = [];
  for (;;) {
    const sent = await load.send(muara, 20, 300);
    if (sent === undefined) return refusals;
    if (sent.status !== 200) refusals.push(sent);
  }
}

test("SIGTERM under load: 503, exit 0 within ten seconds, and all that was accepted is landed", async () => {
  const data = await folderOf("stop");
  const muara = await begin(data);
  const load = new Load();
  await load.declare(muara);
  const producing = Array.from({ length: PRODUCERS }, () => produce(load, muara));
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  const startMs = performance.now();
  expect(await muara.stop()).toBe(0);
  const tookMs = performance.now() - startMs;
  const refusals = (await Promise.all(producing)).flat();
  expect(tookMs).toBeLessThanOrEqual(STOP_MS_MAX);
  expect(refusals.length).toBeGreaterThan(0);
  for (const { status, headers, body } of refusals) {
    expect([status, headers.get("connection"), headers.get("content-type")]).toEqual([
      503,
      "close",
      "application/problem+json",
    ]);
    expect(JSON.parse(body)).toMatchObject({ code: "log.closed" });
    expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
  }
  console.log(
    `stopped in ${Math.round(tookMs)} ms, ${load.acknowledged.size} events, ${refusals.length} refused`,
  );

  const again = await begin(data);
  expect((await booksOf(again)).in_flight).toBe(0); // landed before the end, not after the start
  expect(await lakeFaults(again, load)).toEqual([]);
  expect(await again.stop()).toBe(0);
});

test("readiness ends first: until then everything is answered, whoever streams is told, and nothing is lost", async () => {
  const data = await folderOf("stop-leave");
  // A collector that is not there must not hold the end up.
  const muara = await begin(data, {
    MUARA_STOP_LEAVE_MS: "2000",
    OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9",
  });
  const load = new Load();
  await load.declare(muara);
  expect((await muara.fetch("/health/ready")).status).toBe(200);
  const stream = await muara.fetch(`/event-types/${TYPE}/events?batch_flush_timeout=1&stream_timeout=0`);
  const streamed = stream.text().catch(() => "cut off");
  const producing = Array.from({ length: PRODUCERS }, () => produce(load, muara));
  const startMs = performance.now();
  const stopped = muara.stop();
  await eventually(
    "not ready any more",
    1_500,
    async () => (await muara.fetch("/health/ready")).status === 503,
  );
  const before = load.acknowledged.size;
  expect((await muara.fetch("/health/live")).status).toBe(200);
  await eventually("still accepting", 1_500, async () => load.acknowledged.size > before);
  expect(await stopped).toBe(0);
  expect(performance.now() - startMs).toBeGreaterThanOrEqual(2_000);
  expect(performance.now() - startMs).toBeLessThanOrEqual(2_000 + STOP_MS_MAX);
  const refusals = (await Promise.all(producing)).flat();
  for (const { status } of refusals) expect(status).toBe(503);
  await streamed; // its end came, too
  const again = await begin(data);
  expect((await booksOf(again)).in_flight).toBe(0);
  expect(await lakeFaults(again, load)).toEqual([]);
  expect(await again.stop()).toBe(0);
});

test("a second SIGTERM ends the process at once, and the next start has everything that was acknowledged", async () => {
  const data = await folderOf("stop-twice");
  // Every sync of the lake takes half a second, so that an orderly end takes long.
  const slow = ["strace", "-D", "-f", "--seccomp-bpf", "-qqq", "-o", "/dev/null", "-e", "trace=fsync"];
  const muara = await begin(data, TRACED_ENVIRONMENT, [
    ...slow,
    "-e",
    "inject=fsync:delay_exit=500000:when=30+",
  ]);
  const load = new Load();
  await load.declare(muara);
  for (let round = 0; round < 10; round++) await load.send(muara, 20, 300);
  const first = muara.stop();
  await new Promise((resolve) => setTimeout(resolve, 700));
  const startMs = performance.now();
  const second = muara.stop();
  expect(await Promise.all([first, second])).toEqual([null, null]); // ended by the signal
  expect(performance.now() - startMs).toBeLessThan(700);

  const again = await begin(data);
  await eventually("landed", 15_000, async () => (await booksOf(again)).in_flight === 0);
  await eventually("in the lake", 5_000, async () => (await lakeFaults(again, load)).length === 0);
  expect(load.acknowledged.size).toBeGreaterThan(0);
  expect(await again.stop()).toBe(0);
});
