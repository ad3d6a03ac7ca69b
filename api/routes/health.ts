/**
 * Liveness (the process answers) and readiness (log and lake are reachable). Open without a token.
 *
 * A full disk or a table that waits is `degraded` and still 200: queries work, and a balancer that took the process
 * out would give producers a connection error instead of the 507 that says what to do. So is a lake that does not
 * answer where the process has a door: what is accepted waits in the log. One that only reads is not ready then.
 */
import type { Hono } from "hono";
import { toProblem } from "../../core/problem.ts";
import { META_STREAM } from "../../core/registry.ts";
import type { ApiEnv, ApiPorts } from "../context.ts";
import { inTime } from "../in-time.ts";

/** Whoever asks for health does not wait for a store. */
const LAKE_MS = 2_000;

export function addHealthRoutes(app: Hono<ApiEnv>, ports: ApiPorts): void {
  app.get("/health/live", (context) => context.json({ status: "live" }));

  app.get("/health/ready", async (context) => {
    const [log, lake] = await Promise.all([
      codeOf(() => ports.log.bounds(META_STREAM, 0)),
      codeOf(() => inTime(ports.clock, LAKE_MS, ports.catalog.list())),
    ]);
    const needed = ports.replay ? { log } : { log, lake };
    const checks = {
      log,
      lake,
      append: await codeOf(async () => {
        const refusal = await ports.log.refusal?.();
        if (refusal) throw refusal;
      }),
      landing: landingCode(ports),
      captures: ports.captureWatch?.isAlerting ? "capture.stopped" : "ok",
    };
    const isReady = isWell(needed);
    const status = isWell(checks) ? "ready" : isReady ? "degraded" : "not ready";
    return context.json({ status, checks }, isReady ? 200 : 503);
  });
}

function isWell(checks: Readonly<Record<string, string>>): boolean {
  return Object.values(checks).every((code) => code === "ok");
}

/** Of the first table that does not land. */
function landingCode({ landing }: ApiPorts): string {
  const troubled = landing?.().find(({ state }) => state !== "landing");
  return troubled ? (troubled.code ?? "internal") : "ok";
}

/** Codes only: this address is open, texts may name places. */
async function codeOf(check: () => Promise<unknown>): Promise<string> {
  try {
    await check();
    return "ok";
  } catch (error) {
    return toProblem(error).code;
  }
}
