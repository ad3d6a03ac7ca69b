/**
 * The read side over HTTP: SQL, tables, books, fates of events, dead letters, tokens. Deny by default: every
 * address below /v1, and /metrics, needs a token, and each route asks for the right that it takes. Errors are RFC 9457.
 */
import { Hono } from "hono";
import { matchedRoutes } from "hono/route";
import { auditRefusal } from "../core/audit-refusal.ts";
import type { Principal } from "../core/authorize.ts";
import { systemRandomness } from "../core/clock.ts";
import { MuaraError } from "../core/errors.ts";
import { answerHeaders, authenticateRequest, describeBug, errorResponse, flowIdOf } from "../core/http.ts";
import { annotate, isTracing, nameRequest } from "../core/trace.ts";
import type { ApiContext, ApiEnv, ApiPorts } from "./context.ts";
import { addBooksRoutes } from "./routes/books.ts";
import { addCaseRoutes } from "./routes/cases.ts";
import { addCaptureRoutes } from "./routes/captures.ts";
import { addJobRoutes } from "./routes/jobs.ts";
import { addAlertRoutes } from "./routes/alerts.ts";
import { addRuleRoutes } from "./routes/rules.ts";
import { addReferenceRoutes } from "./routes/reference.ts";
import { addReconciliationRoutes } from "./routes/reconciliations.ts";
import { addDeadLetterGroupRoute } from "./routes/dead-letter-groups.ts";
import { addDeadLetterRoutes } from "./routes/dead-letters.ts";
import { addDeliveryRoutes } from "./routes/deliveries.ts";
import { addDuplicateRoutes } from "./routes/duplicates.ts";
import { addErasureRoutes } from "./routes/erasures.ts";
import { addEventRoutes } from "./routes/events.ts";
import { addExtractFileRoutes } from "./routes/extract-files.ts";
import { addExtractRoutes } from "./routes/extracts.ts";
import { addHealthRoutes } from "./routes/health.ts";
import { addLogRoutes } from "./routes/logs.ts";
import { addLiveRoute } from "./routes/live.ts";
import { addMetricsRoute } from "./routes/metrics.ts";
import { addProcessRoutes } from "./routes/processes.ts";
import { addProcessViewRoutes } from "./routes/process-views.ts";
import { addSystemRoutes } from "./routes/system.ts";
import { addRoleRoutes } from "./routes/roles.ts";
import { addIcebergRoutes } from "./routes/iceberg.ts";
import { addShareRoutes } from "./routes/shares.ts";
import { addSharingRoutes, SHARING_PREFIX } from "./routes/sharing.ts";
import { addSqlSchemaRoute } from "./routes/sql-schema.ts";
import { addSqlRoutes } from "./routes/sql.ts";
import { addTableCheckRoutes } from "./routes/table-checks.ts";
import { addTablePartRoutes } from "./routes/table-parts.ts";
import { addTableRemovalRoutes } from "./routes/table-removals.ts";
import { addTableUpkeepRoutes } from "./routes/table-upkeep.ts";
import { addTableRoutes } from "./routes/tables.ts";
import { addTokenRoutes } from "./routes/tokens.ts";
import { createSharing, sharingError, type SharingConfig } from "./sharing.ts";
import type { LiveHost } from "./live/live-host.ts";

export type { ApiPorts } from "./context.ts";

export interface ApiOptions {
  /** Length of a SQL text, bytes. */
  readonly sqlBytes: number;
  /** Of this build, for /openapi.json. */
  readonly version: string;
  /** Absent: nothing is shared. */
  readonly sharing?: SharingConfig;
  /** Who looks at what happens; absent: nobody can. */
  readonly live?: LiveHost;
}

export function createApiApp(ports: ApiPorts, options: ApiOptions): Hono<ApiEnv> {
  const app = new Hono<ApiEnv>();
  const randomness = ports.randomness ?? systemRandomness;

  app.use("*", async (context, next) => {
    const flowId = flowIdOf(context.req.raw, randomness);
    context.set("flowId", flowId);
    annotate({ flow_id: flowId });
    await next();
    if (isTracing()) nameRequest(context.req.method, routeOf(context));
    for (const [name, value] of Object.entries(answerHeaders(flowId))) context.header(name, value);
  });
  for (const path of ["/v1/*", "/metrics"])
    app.use(path, async (context, next) => {
      context.set("principal", await authenticateRequest(context.req.raw, ports.authenticator));
      await next();
      context.header("cache-control", "no-store");
    });

  // What changes a table leaves no declaration.
  app.use("/v1/tables/:name/*", async (context, next) => {
    await next();
    if (context.req.method === "GET" || context.error || context.res.status >= 400) return;
    await ports.audit?.record({
      action: "changed",
      resource_type: "table",
      resource_id: context.req.param("name"),
      user: context.get("principal").id,
      new_object: JSON.stringify({ request: `${context.req.method} ${context.req.path.slice(0, 300)}` }),
      request_id: context.get("flowId"),
    });
  });

  app.onError((error, context) => {
    const flowId = context.get("flowId");
    const principal = context.get("principal") as Principal | undefined;
    auditRefusal(ports, error, context.req.raw, { user: principal?.id, flowId });
    if (error instanceof MuaraError) return failed(error, context);
    ports.logger.error("request failed", {
      flow_id: flowId,
      path: context.req.routePath,
      ...describeBug(error),
    });
    const details = { request_id: flowId };
    return failed(new MuaraError("internal", "An unexpected error occurred.", { details }), context);
  });
  app.notFound((context) => {
    return failed(new MuaraError("request.not_found", "There is nothing at this method and path."), context);
  });

  addHealthRoutes(app, ports);
  addMetricsRoute(app, ports);
  addLogRoutes(app, ports);
  addReferenceRoutes(app, options.version);
  addSqlRoutes(app, ports, options);
  addSqlSchemaRoute(app, ports);
  addTableRoutes(app, ports);
  addTableCheckRoutes(app, ports);
  addIcebergRoutes(app, ports);
  addTableRemovalRoutes(app, ports);
  addErasureRoutes(app, ports);
  addTableUpkeepRoutes(app, ports);
  addBooksRoutes(app, ports);
  addEventRoutes(app, ports);
  addLiveRoute(app, ports, options.live);
  addExtractRoutes(app, ports);
  addExtractFileRoutes(app, ports);
  addDeadLetterGroupRoute(app, ports);
  addDeadLetterRoutes(app, ports);
  addDuplicateRoutes(app, ports);
  addDeliveryRoutes(app, ports);
  addJobRoutes(app, ports);
  addProcessRoutes(app, ports);
  addProcessViewRoutes(app, ports);
  addCaseRoutes(app, ports);
  addRuleRoutes(app, ports);
  addAlertRoutes(app, ports);
  addCaptureRoutes(app, ports);
  addReconciliationRoutes(app, ports);
  addTokenRoutes(app, ports);
  addRoleRoutes(app, ports);
  addSystemRoutes(app, ports);
  const sharing = options.sharing && createSharing(ports, options.sharing);
  addTablePartRoutes(app, ports, sharing);
  if (sharing) {
    addShareRoutes(app, ports, sharing);
    addSharingRoutes(app, ports, sharing);
  }
  return app;
}

/** The pattern that answered, not the address; empty where none did. */
function routeOf(context: ApiContext): string {
  return matchedRoutes(context).findLast(({ path }) => !path.endsWith("*"))?.path ?? "";
}

/** The clients of shares know the form of their own protocol only. */
function failed(error: MuaraError, context: ApiContext): Response {
  const isSharing = context.req.path.startsWith(`${SHARING_PREFIX}/`);
  return (isSharing ? sharingError : errorResponse)(error, context.get("flowId"));
}
