/** GET /v1/sql/schema: everything that an editor needs to help with SQL, in one answer: tables, columns, limits. */
import type { Hono } from "hono";
import { ownColumnDescription } from "../../core/column-descriptions.ts";
import { isVisible } from "../../lake/query/part.ts";
import { FUNCTIONS } from "../../lake/query/functions.ts";
import { sqlColumns } from "../../lake/query/view.ts";
import { parseSchema } from "../../lake/table/delta-schema.ts";
import { readableTables, type ApiEnv, type ApiPorts } from "../context.ts";

export function addSqlSchemaRoute(app: Hono<ApiEnv>, ports: ApiPorts): void {
  app.get("/v1/sql/schema", async (context) => {
    const principal = context.get("principal");
    const tables = await readableTables(ports, principal);
    const items = await Promise.all(
      tables.map(async (table) => {
        const schema = ports.catalog.schema(table, await ports.catalog.snapshot(table.name));
        const fields = new Map(parseSchema(schema.schemaString).fields.map((field) => [field.name, field]));
        const columns = sqlColumns(schema.schemaString)
          .filter(({ name }) => isVisible(table.right, name))
          .map(({ name, type }) => ({
            name,
            type,
            description: fields.get(name)?.metadata["comment"] ?? ownColumnDescription(table.kind, name),
          }));
        return { name: table.name, alias: table.alias ?? null, kind: table.kind, columns };
      }),
    );
    const views = await ports.query.views(principal);
    const named = views.map(({ name }) => ({ name, alias: null, kind: "view", columns: [] }));
    const { timeoutMs, memoryBytes, rows, rowsMax, sqlBytes, answerBytes } = ports.query.limits;
    return context.json({
      tables: [...items, ...named],
      functions: [...FUNCTIONS].sort(),
      limits: {
        timeout_ms: timeoutMs,
        memory_bytes: memoryBytes,
        rows,
        rows_max: rowsMax,
        sql_bytes: sqlBytes,
        answer_bytes: answerBytes,
      },
    });
  });
}
