/** GET /v1/tables/{t}/verify and /diff: whether a table is what its log says, and what changed between versions. */
import type { Hono } from "hono";
import { MuaraError } from "../../core/errors.ts";
import type { TableSnapshot } from "../../core/ports/table-log.ts";
import { diffSnapshots } from "../../lake/diff-snapshots.ts";
import { verifyTable } from "../../lake/verify-table.ts";
import { wholeTable, type ApiContext, type ApiEnv, type ApiPorts } from "../context.ts";

export function addTableCheckRoutes(app: Hono<ApiEnv>, ports: ApiPorts): void {
  let isVerifying = false;

  app.get("/v1/tables/:table/verify", async (context) => {
    const table = await wholeTable(ports, context.get("principal"), context.req.param("table"));
    const { store } = ports;
    if (!store) throw new MuaraError("request.not_found", "This process does not see the lake's files.");
    // It reads all that there is; several at once would only be slower.
    if (isVerifying) throw new MuaraError("table.verifying", "Another verification is under way.");
    isVerifying = true;
    try {
      const snapshot = await ports.catalog.log(table.name).snapshot();
      if (snapshot.version < 0) throw notYet(table.name);
      const isDeep = context.req.query("deep") === "true";
      const options = { isDeep, signal: context.req.raw.signal };
      const found = await verifyTable(store, ports.clock, table.name, snapshot, options);
      const { version, files, bytes, checks, faults, faultCount } = found;
      const holds = faultCount === 0;
      return context.json({
        table: table.name,
        version,
        files,
        bytes,
        holds,
        checks,
        faults,
        fault_count: faultCount,
      });
    } finally {
      isVerifying = false;
    }
  });

  app.get("/v1/tables/:table/diff", async (context) => {
    const table = await wholeTable(ports, context.get("principal"), context.req.param("table"));
    const newest = await ports.catalog.snapshot(table.name);
    if (newest.version < 0) throw notYet(table.name);
    const at = async (parameter: "from" | "to", fallback: number): Promise<TableSnapshot> => {
      const version = versionOf(context, parameter) ?? fallback;
      return version === newest.version ? newest : ports.catalog.log(table.name).snapshot({ version });
    };
    const to = await at("to", newest.version);
    const from = await at("from", Math.max(0, to.version - 1));
    return context.json({ table: table.name, ...diffSnapshots(from, to) });
  });
}

/** @throws request.malformed */
function versionOf(context: ApiContext, parameter: string): number | undefined {
  const text = context.req.query(parameter);
  if (text === undefined) return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new MuaraError("request.malformed", `${parameter} is a version.`, { details: { parameter } });
}

function notYet(table: string): MuaraError {
  return new MuaraError("table.not_found", `The table "${table}" has no commit yet.`, { details: { table } });
}
