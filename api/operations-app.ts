/** The face of a process without the read side: `/metrics` of what runs in it, and `/health/live`. */
import { Hono } from "hono";
import { auditRefusal } from "../core/audit-refusal.ts";
import { systemRandomness } from "../core/clock.ts";
import { MuaraError } from "../core/errors.ts";
import { answerHeaders, authenticateRequest, errorResponse, flowIdOf } from "../core/http.ts";
import type { ApiEnv, ApiPorts } from "./context.ts";
import { metricsAnswer, processSamples } from "./routes/metrics.ts";

export type OperationsPorts = Pick<
  ApiPorts,
  "authenticator" | "audit" | "measures" | "gauges" | "logger" | "randomness"
>;

export function createOperationsApp(ports: OperationsPorts): Hono<ApiEnv> {
  const app = new Hono<ApiEnv>();
  app.use("*", async (context, next) => {
    const flowId = flowIdOf(context.req.raw, ports.randomness ?? systemRandomness);
    context.set("flowId", flowId);
    await next();
    for (const [name, value] of Object.entries(answerHeaders(flowId))) context.header(name, value);
  });
  app.get("/health/live", (context) => context.json({ status: "live" }));
  app.get("/metrics", async (context) => {
    context.set("principal", await authenticateRequest(context.req.raw, ports.authenticator));
    context.header("cache-control", "no-store");
    return metricsAnswer(context, await processSamples(ports, context));
  });
  app.notFound((context) =>
    errorResponse(
      new MuaraError("request.not_found", "This process does not serve that."),
      context.get("flowId"),
    ),
  );
  app.onError((error, context) => {
    const flowId = context.get("flowId");
    auditRefusal(ports, error, context.req.raw, { user: undefined, flowId });
    return errorResponse(error, flowId);
  });
  return app;
}
