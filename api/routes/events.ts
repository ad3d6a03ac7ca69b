/** GET /v1/events/{event_id}: every fate of this id in the event types that the asker may read. */
import type { Hono } from "hono";
import { MuaraError } from "../../core/errors.ts";
import { wholeTable, wholeTables, type ApiEnv, type ApiPorts } from "../context.ts";
import { fatesOf } from "../fates.ts";

const ID_LENGTH_MAX = 1_024;

export function addEventRoutes(app: Hono<ApiEnv>, ports: ApiPorts): void {
  app.get("/v1/events/:event_id", async (context) => {
    const eventId = context.req.param("event_id");
    if (eventId.length > ID_LENGTH_MAX)
      throw new MuaraError("request.malformed", `An event id has at most ${ID_LENGTH_MAX} characters.`);
    const principal = context.get("principal");
    const only = context.req.query("event_type");
    const tables = only ? [await wholeTable(ports, principal, only)] : await wholeTables(ports, principal);
    const types = tables.filter((table) => table.kind === "event_type");
    const { fates, isWaitingSearchComplete } = await fatesOf(ports, eventId, types, context.req.raw.signal);
    return context.json({ event_id: eventId, fates, complete: isWaitingSearchComplete });
  });
}
