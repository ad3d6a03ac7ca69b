/**
 * The read side over HTTP: SQL, tables, books, fates of events, dead letters, tokens. Deny by default: every
 * address below /v1 needs a token, and each route asks for the right that it takes. Errors are RFC 9457.
 */
import { Hono } from "hono";
import { MuaraError } from "../core/errors.ts";
import { problemResponse } from "../core/problem.ts";
import { NOBODY_IN_PARTICULAR, type ApiEnv, type ApiPorts } from "./context.ts";
import { openapiDocument } from "./openapi.ts";
import { addBooksRoutes } from "./routes/books.ts";
import { addDeadLetterRoutes } from "./routes/dead-letters.ts";
import { addEventRoutes } from "./routes/events.ts";
import { addHealthRoutes } from "./routes/health.ts";
import { addSqlRoutes } from "./routes/sql.ts";
import { addTableRoutes } from "./routes/tables.ts";
import { addTokenRoutes } from "./routes/tokens.ts";

export type { ApiPorts } from "./context.ts";

export interface ApiOptions {
  /** Length of a SQL text, bytes. */
  readonly sqlBytes: number;
  /** Of this build, for /openapi.json. */
  readonly version: string;
}

export function createApiApp(ports: ApiPorts, options: ApiOptions): Hono<ApiEnv> {
  const app = new Hono<ApiEnv>();
  let requestCount = 0;

  app.use("/v1/*", async (context, next) => {
    const authorization = context.req.header("authorization");
    const principal = ports.authenticator
      ? await ports.authenticator.authenticate(authorization)
      : NOBODY_IN_PARTICULAR;
    context.set("principal", principal);
    await next();
    context.header("x-content-type-options", "nosniff");
    context.header("cache-control", "no-store");
  });

  app.onError((error) => {
    if (error instanceof MuaraError) return problemResponse(error);
    requestCount++;
    const requestId = `${ports.clock.nowMs().toString(36)}-${requestCount}`;
    ports.logger.error("request failed", { requestId, error: error.message, stack: error.stack });
    return problemResponse(
      new MuaraError("internal", "An unexpected error occurred.", { details: { request_id: requestId } }),
    );
  });
  app.notFound((context) =>
    problemResponse(
      new MuaraError("request.not_found", `There is no ${context.req.method} ${context.req.path}.`),
    ),
  );

  addHealthRoutes(app, ports);
  app.get("/openapi.json", (context) => context.json(openapiDocument(options.version)));
  addSqlRoutes(app, ports, options);
  addTableRoutes(app, ports);
  addBooksRoutes(app, ports);
  addEventRoutes(app, ports);
  addDeadLetterRoutes(app, ports);
  addTokenRoutes(app, ports);
  return app;
}
