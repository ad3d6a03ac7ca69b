/**
 * GET /v1/system, GET /v1/config: what this process is, and with which configuration it runs, each value with where it
 * came from. Both take `read` on `system:config`.
 */
import type { Hono } from "hono";
import type { Resource } from "../../core/authorize.ts";
import { MuaraError } from "../../core/errors.ts";
import { shownEntry } from "../../core/shown-config.ts";
import { type About, type ApiContext, type ApiEnv, type ApiPorts, demand, isoOrNull } from "../context.ts";

export const CONFIG: Resource = { kind: "system", name: "config" };

export function addSystemRoutes(app: Hono<ApiEnv>, { about, clock }: ApiPorts): void {
  const allowed = (context: ApiContext): About => {
    demand(context, "read", CONFIG);
    if (about) return about;
    throw new MuaraError("request.not_found", "This process does not tell of itself.");
  };
  app.get("/v1/system", (context) => {
    const { version, runtime, platform, workers, startedMs } = allowed(context);
    return context.json({
      version,
      runtime,
      platform,
      workers,
      started_at: isoOrNull(startedMs),
      now: isoOrNull(clock.nowMs()),
    });
  });
  app.get("/v1/config", (context) => {
    const items = allowed(context).config.map((entry) => {
      const { path, value, origin, variable, description } = shownEntry(entry);
      return { key: path.join("."), value, origin, variable, description };
    });
    return context.json({ items });
  });
}
