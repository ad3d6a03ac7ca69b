/** Liveness (the process answers) and readiness (log and lake are reachable). Open without a token. */
import type { Hono } from "hono";
import { toProblem } from "../../core/problem.ts";
import { META_STREAM } from "../../core/registry.ts";
import type { ApiEnv, ApiPorts } from "../context.ts";

export function addHealthRoutes(app: Hono<ApiEnv>, ports: ApiPorts): void {
  app.get("/health/live", (context) => context.json({ status: "live" }));

  app.get("/health/ready", async (context) => {
    const checks = {
      log: await codeOf(() => ports.log.bounds(META_STREAM, 0)),
      lake: await codeOf(() => ports.catalog.list()),
    };
    const isReady = Object.values(checks).every((code) => code === "ok");
    return context.json({ status: isReady ? "ready" : "not ready", checks }, isReady ? 200 : 503);
  });
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
