/** POST, DELETE /v1/tables/{t}/iceberg: the table's newest version as Iceberg metadata beside it. */
import type { Hono } from "hono";
import { MuaraError } from "../../core/errors.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import { dropIceberg, exportIceberg } from "../../lake/iceberg/export.ts";
import { demand, readableTable, type ApiContext, type ApiEnv, type ApiPorts } from "../context.ts";

export function addIcebergRoutes(app: Hono<ApiEnv>, ports: ApiPorts): void {
  /** The table's own name; it takes `admin`, since an export makes the lake larger and keeps files from going. */
  const administered = async (context: ApiContext): Promise<string> => {
    const table = await readableTable(ports, context.get("principal"), context.req.param("table")!);
    demand(context, "admin", { kind: "table", name: table.name });
    return table.name;
  };
  app.post("/v1/tables/:table/iceberg", async (context) => {
    const name = await administered(context);
    const exported = await exportIceberg(storeOf(ports), name, await ports.catalog.snapshot(name));
    ports.logger.info("a table was exported as Iceberg", { table: name, version: exported.version });
    return context.json({
      table: name,
      version: exported.version,
      metadata_location: exported.metadataLocation,
      files: exported.files,
      rows: exported.rows,
    });
  });
  app.delete("/v1/tables/:table/iceberg", async (context) => {
    const name = await administered(context);
    await dropIceberg(storeOf(ports), name);
    ports.logger.info("an export as Iceberg was ended", { table: name });
    return context.body(null, 204);
  });
}

function storeOf({ store }: ApiPorts): ObjectStore {
  if (store) return store;
  throw new MuaraError("table.unsupported", "This process has no store to write to.");
}
