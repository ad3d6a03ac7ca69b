/** GET /metrics where the lake does not answer: what the process says of itself is told all the same, and in time. */
import { Hono } from "hono";
import { expect, test } from "vitest";
import type { ApiEnv, ApiPorts } from "../../api/context.ts";
import { addMetricsRoute } from "../../api/routes/metrics.ts";
import { EVERYTHING } from "../../core/authorize.ts";
import { ManualClock } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import { createLogger } from "../../core/logger.ts";
import { logSamples } from "../../core/log-samples.ts";
import type { Log } from "../../core/ports/log.ts";

const USE = { bytes: 4_096, bytesMax: 8_192, segments: 2 };

function appOver(list: ApiPorts["catalog"]["list"], log: Partial<Log>) {
  const clock = new ManualClock(0);
  const lines: string[] = [];
  const logger = createLogger(
    (line) => lines.push(line),
    "debug",
    () => 0,
  );
  const app = new Hono<ApiEnv>();
  app.use("*", async (context, next) => {
    context.set("principal", { id: "token:a", grants: EVERYTHING });
    await next();
  });
  const gauges = [() => logSamples(log as Log)];
  addMetricsRoute(app, { catalog: { list }, clock, logger, gauges } as unknown as ApiPorts);
  return { clock, lines, ask: async () => (await app.request("/metrics")).text() };
}

const failing = async (): Promise<never> => {
  throw new MuaraError("store.unavailable", "no answer");
};

test("a store that fails costs its own metrics alone", async () => {
  const { ask, lines } = appOver(failing, { diskUse: () => USE, refusal: async () => undefined });
  const text = await ask();
  for (const line of [
    "muara_log_disk_bytes 4096",
    "muara_log_disk_budget_bytes 8192",
    "muara_log_segments 2",
    "muara_log_refusing 0",
  ])
    expect(text.split("\n")).toContain(line);
  expect(lines.join("\n")).toMatch(/a part of the metrics is missing.*no answer/);
});

test("one that never answers is waited for five seconds; a log without a bound has no such metric", async () => {
  let isAsked = false;
  const silent = (): Promise<never> => {
    isAsked = true;
    return new Promise(() => undefined);
  };
  const { ask, clock } = appOver(silent, { diskUse: () => ({ ...USE, bytesMax: Infinity }) });
  let text: string | undefined;
  void ask().then((answer) => (text = answer));
  await expect.poll(() => isAsked).toBe(true);
  clock.advance(4_999);
  await new Promise((done) => setImmediate(done));
  expect(text).toBeUndefined();
  clock.advance(1);
  await expect.poll(() => text).toContain("muara_log_disk_bytes 4096");
  expect(text).not.toMatch(/^muara_log_(?:disk_budget_bytes|refusing) /m);
  expect(await logSamples({} as Log)).toEqual([]);
});
