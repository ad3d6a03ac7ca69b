/** POST /v1/tables/{t}/expire, /rollback and /sweep: what takes rows or files away. Needs `admin` on the table. */
import type { Hono } from "hono";
import { z } from "zod";
import { MuaraError } from "../../core/errors.ts";
import type { CatalogTable } from "../../lake/catalog.ts";
import type { Removals } from "../../lake/removals.ts";
import { demand, isoOrNull, readableTable, type ApiContext, type ApiEnv, type ApiPorts } from "../context.ts";

const time = z.iso.datetime({ offset: true });
const dryRun = z.boolean().default(false).describe("Tells what would go, and removes nothing.");

export const expireRequestSchema = z.strictObject({
  before: time.optional().describe("Rows accepted before then go; by default as the event type declares."),
  dry_run: dryRun,
});
export const rollbackRequestSchema = z.strictObject({
  to: z.union([z.int().nonnegative(), time]).describe("A version, or a time."),
  dry_run: dryRun,
});
export const sweepRequestSchema = z.strictObject({ dry_run: dryRun });

export function addTableRemovalRoutes(app: Hono<ApiEnv>, ports: ApiPorts): void {
  app.post("/v1/tables/:table/expire", async (context) => {
    const { removals, table } = await administered(context, ports);
    const { before, dry_run: isDryRun } = await bodyOf(context, expireRequestSchema);
    const beforeMs = before === undefined ? undefined : Date.parse(before);
    if (beforeMs !== undefined && beforeMs > ports.clock.nowMs())
      throw new MuaraError("request.malformed", "before lies ahead.", { details: { pointer: "/before" } });
    const { signal } = context.req.raw;
    const expired = await removals.expire(table, beforeMs, { isDryRun, signal });
    const { version, rows, files, bytes } = expired;
    const limit = isoOrNull(expired.beforeMs);
    note(ports, context, "expired", { table: table.name, before: limit, isDryRun, version, rows });
    return context.json({ table: table.name, before: limit, dry_run: isDryRun, version, rows, files, bytes });
  });

  app.post("/v1/tables/:table/rollback", async (context) => {
    const { removals, table } = await administered(context, ports);
    const { to: asked, dry_run: isDryRun } = await bodyOf(context, rollbackRequestSchema);
    const target = typeof asked === "number" ? { version: asked } : { timeMs: Date.parse(asked) };
    const { signal } = context.req.raw;
    const rolled = await removals.rollBack(table, target, { isDryRun, signal });
    const { to, from, version, rows, files, rewritten, bytes } = rolled;
    note(ports, context, "rolled back", { table: table.name, to, isDryRun, version, rows });
    const answer = { table: table.name, to, from, dry_run: isDryRun, version, rows, files, rewritten, bytes };
    return context.json(answer);
  });

  app.post("/v1/tables/:table/sweep", async (context) => {
    const { removals, table } = await administered(context, ports);
    const { dry_run: isDryRun } = await bodyOf(context, sweepRequestSchema);
    const swept = await removals.sweep(table, { isDryRun, signal: context.req.raw.signal });
    if (!swept)
      throw new MuaraError("table.not_found", `The table "${table.name}" has no commit yet.`, {
        details: { table: table.name },
      });
    const { version, files, expired, orphans, sideFiles, removedIds, bytes, waiting } = swept;
    const counts = { expired, orphans, side_files: sideFiles, removed_ids: removedIds };
    return context.json({
      table: table.name,
      version,
      dry_run: isDryRun,
      files,
      ...counts,
      bytes,
      waiting,
    });
  });
}

async function administered(
  context: ApiContext,
  ports: ApiPorts,
): Promise<{ readonly removals: Removals; readonly table: CatalogTable }> {
  const table = await readableTable(ports, context.get("principal"), context.req.param("table") ?? "");
  demand(context, "admin", { kind: "table", name: table.name });
  if (!ports.removals)
    throw new MuaraError("request.not_found", "This process does not write the lake; ask one that lands.");
  return { removals: await ports.removals(context.req.raw.signal), table };
}

/** @throws request.malformed naming the place */
export async function bodyOf<Schema extends z.ZodType>(
  context: ApiContext,
  schema: Schema,
): Promise<z.output<Schema>> {
  const text = await context.req.text();
  const body: unknown = text.trim() === "" ? {} : await context.req.json().catch(() => null);
  const request = schema.safeParse(body);
  if (request.success) return request.data;
  const issue = request.error.issues[0]!;
  const pointer = issue.path.map((step) => `/${String(step)}`).join("");
  throw new MuaraError("request.malformed", `${pointer || "the body"}: ${issue.message}`, {
    details: { pointer },
  });
}

function note(ports: ApiPorts, context: ApiContext, what: string, fields: Record<string, unknown>): void {
  ports.logger.info(`a table was ${what} on request`, { by: context.get("principal").id, ...fields });
}
