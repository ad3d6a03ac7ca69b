/** GET /v1/logs: the newest log lines of this process, of one job with `job=`, from a level upwards with `level=`. */
import type { Hono } from "hono";
import { authorize } from "../../core/authorize.ts";
import { MuaraError } from "../../core/errors.ts";
import { wholeNumber, type ApiEnv, type ApiPorts } from "../context.ts";

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 1_000;
const LEVELS = ["info", "warn", "error"];

export function addLogRoutes(app: Hono<ApiEnv>, ports: ApiPorts): void {
  app.get("/v1/logs", (context) => {
    authorize(context.get("principal"), "read", { kind: "system", name: "logs" });
    const limit = wholeNumber(context, "limit", LIMIT_DEFAULT, LIMIT_MAX);
    const level = context.req.query("level") ?? "info";
    const job = context.req.query("job");
    const least = LEVELS.indexOf(level);
    if (least < 0)
      throw new MuaraError("request.malformed", `level is one of ${LEVELS.join(", ")}.`, {
        details: { parameter: "level" },
      });
    const items = ports.logs?.recent(
      limit,
      (line) => LEVELS.indexOf(String(line["level"])) >= least && (job === undefined || line["job"] === job),
    );
    return context.json({ items: items ?? [] });
  });
}
