/** Whether grants of parts of tables can be applied: the columns are there, the condition is one that is taken. */
import type { Config } from "../../core/config.ts";
import { MuaraError } from "../../core/errors.ts";
import type { Grant } from "../../core/authorize.ts";
import type { Catalog, CatalogTable } from "../catalog.ts";
import type { QueryService } from "./service.ts";

/**
 * Views, roles and shares of the configuration. A view's tables must be there; those of roles and shares may come
 * later, because what they give is nothing until they do.
 * @throws config.invalid naming the key
 */
export async function checkDeclared(
  { roles, shares, views }: Pick<Config, "roles" | "shares" | "views">,
  catalog: Catalog,
  query: Pick<QueryService, "judgeConditions" | "declareViews">,
): Promise<void> {
  for (const [name, role] of Object.entries(roles)) {
    const problem = await grantProblem(role.grants, catalog, query, true);
    if (!problem) continue;
    const key = `roles.${name}.grants${problem.pointer.replaceAll("/", ".")}`;
    throw new MuaraError("config.invalid", `${key}: ${problem.reason}`, { details: { key } });
  }
  for (const [name, { tables }] of Object.entries(shares))
    for (const [table, { columns, rows }] of Object.entries(tables)) {
      const grant: Grant = { action: "read", kind: "table", name: table, columns, rows };
      const problem = await grantProblem([grant], catalog, query, true);
      if (!problem) continue;
      const key = `shares.${name}.tables.${table}${problem.pointer.replace("/0/", ".")}`;
      throw new MuaraError("config.invalid", `${key}: ${problem.reason}`, { details: { key } });
    }
  await query.declareViews(views);
}

/** What is wrong with a grant, and where in the list. */
export interface GrantProblem {
  /** Of a list of grants, e.g. "/0/rows". */
  readonly pointer: string;
  readonly reason: string;
}

/**
 * @param mayWait a table that is not there yet is no problem: its grant gives nothing before it is
 * @returns the first problem
 */
export async function grantProblem(
  grants: readonly Grant[],
  catalog: Catalog,
  query: Pick<QueryService, "judgeConditions">,
  mayWait: boolean,
): Promise<GrantProblem | undefined> {
  const conditions = grants.flatMap(({ rows }) => (rows === undefined ? [] : [rows]));
  const judgedBy = await query.judgeConditions([...new Set(conditions)]);
  for (const [index, { name, columns, rows }] of grants.entries()) {
    if (columns === undefined && rows === undefined) continue;
    const at = (key: string, reason: string): GrantProblem => ({ pointer: `/${index}/${key}`, reason });
    const table = await catalog.find(name);
    const known = table?.name === name ? await columnsOf(catalog, table) : undefined;
    if (!known && !mayWait) return at("name", tableProblem(name, table));
    const missing = known && columns?.find((column) => !known.has(column.toLowerCase()));
    if (missing !== undefined) return at("columns", `the table "${name}" has no column "${missing}"`);
    const judged = rows === undefined ? undefined : judgedBy.get(rows)!;
    if (!judged) continue;
    if (judged.kind === "refused") return at("rows", `not allowed: ${judged.reason}`);
    const unknown = known && judged.columns.find((column) => !known.has(column));
    if (unknown !== undefined) return at("rows", `the table "${name}" has no column "${unknown}"`);
  }
  return undefined;
}

function tableProblem(name: string, similar: CatalogTable | undefined): string {
  const hint = similar ? `; its own name is "${similar.name}"` : "";
  return `there is no table "${name}"${hint}`;
}

async function columnsOf(catalog: Catalog, table: CatalogTable): Promise<ReadonlySet<string>> {
  const { schemaString } = catalog.schema(table, await catalog.snapshot(table.name));
  const { fields } = JSON.parse(schemaString) as { fields: readonly { name: string }[] };
  return new Set(fields.map((field) => field.name.toLowerCase()));
}
