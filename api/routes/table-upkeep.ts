/** POST /v1/tables/{t}/compact, /pause and /resume: what an administrator of a table may have done to it. */
import type { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { z } from "zod";
import { MuaraError } from "../../core/errors.ts";
import type { TableSnapshot } from "../../core/ports/table-log.ts";
import {
  PAUSE_MS_DEFAULT,
  PAUSE_MS_MAX,
  PAUSE_MS_MIN,
  pausedUntilMs,
  pauseTable,
  resumeTable,
} from "../../lake/table/table-pause.ts";
import { demand, isoOrNull, readableTable, type ApiContext, type ApiEnv, type ApiPorts } from "../context.ts";

const BODY_BYTES = 1_024;

export const pauseRequestSchema = z.strictObject({
  for_ms: z
    .int()
    .min(PAUSE_MS_MIN)
    .max(PAUSE_MS_MAX)
    .default(PAUSE_MS_DEFAULT)
    .describe("how long until the pause ends by itself, ms"),
});

export function addTableUpkeepRoutes(app: Hono<ApiEnv>, ports: ApiPorts): void {
  app.post("/v1/tables/:table/compact", async (context) => {
    const name = await administered(context, ports);
    const { compact } = ports;
    if (!compact) throw new MuaraError("request.not_found", "This process does not write the lake.");
    const done = await compact(name, context.req.raw.signal);
    return context.json({
      table: name,
      files_before: done.filesBefore,
      files_after: done.filesAfter,
      bytes_before: done.bytesBefore,
      bytes_after: done.bytesAfter,
      rows: done.rows,
      elsewhere: done.isElsewhere,
    });
  });

  const onError = (): never => {
    throw new MuaraError("request.too_large", `The body has more than ${BODY_BYTES} bytes.`);
  };
  app.post("/v1/tables/:table/pause", bodyLimit({ maxSize: BODY_BYTES, onError }), async (context) => {
    const name = await administered(context, ports);
    const text = await context.req.text();
    const request = pauseRequestSchema.safeParse(text === "" ? {} : parsed(text));
    if (!request.success) {
      const issue = request.error.issues[0]!;
      const pointer = `/${issue.path.map(String).join("/")}`;
      throw new MuaraError("request.malformed", `${pointer}: ${issue.message}`, { details: { pointer } });
    }
    const untilMs = ports.clock.nowMs() + request.data.for_ms;
    return paused(context, ports, name, await pauseTable(ports.catalog.log(name), untilMs));
  });

  app.post("/v1/tables/:table/resume", async (context) => {
    const name = await administered(context, ports);
    return paused(context, ports, name, await resumeTable(ports.catalog.log(name)));
  });
}

/** The table's own name. @throws table.not_found, auth.forbidden */
async function administered(context: ApiContext, ports: ApiPorts): Promise<string> {
  const { name } = await readableTable(ports, context.get("principal"), context.req.param("table") ?? "");
  demand(context, "admin", { kind: "table", name });
  return name;
}

function paused(
  context: ApiContext,
  ports: ApiPorts,
  name: string,
  { version, metadata }: TableSnapshot,
): Response {
  const untilMs = pausedUntilMs(metadata, ports.clock.nowMs());
  ports.reload?.(name);
  const by = context.get("principal").id;
  ports.logger.info(untilMs === undefined ? "a table was resumed" : "a table was paused", {
    table: name,
    by,
  });
  return context.json({ table: name, version, paused_until: isoOrNull(untilMs) });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
