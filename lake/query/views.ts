/**
 * Views that the configuration declares: named SELECTs over tables and other views. A view has no rights of its own:
 * it is SQL that stands for its text, and its tables are read with the rights of who asks. So it exists for those
 * for whom all its tables exist, and a column that is hidden from somebody is missing in it, too.
 *
 * A table that is declared later and has a view's name hides the view.
 */
import { MuaraError } from "../../core/errors.ts";
import { EVENT_TYPE_NAME, EVENT_TYPE_NAME_LENGTH_MAX, RESERVED_TABLES } from "../../core/event-type.ts";
import type { Catalog } from "../catalog.ts";
import type { Judged } from "./gate.ts";

export interface ViewDeclaration {
  readonly sql: string;
  readonly description?: string | undefined;
}

export interface DeclaredView {
  readonly name: string;
  readonly description: string;
  readonly sql: string;
  /** The SQL as it was judged and is run. */
  readonly query: string;
  readonly judged: Judged & { readonly kind: "query" };
  /** Names of the tables that it reads, also through other views, as mentioned. */
  readonly tables: readonly string[];
}

export type Views = ReadonlyMap<string, DeclaredView>;

/**
 * @param judge of the gate
 * @returns by name in lower case
 * @throws config.invalid for a bad or taken name, SQL that is refused, a table that is not there, a cycle
 */
export async function checkViews(
  declarations: Readonly<Record<string, ViewDeclaration>>,
  catalog: Catalog,
  judge: (sql: string) => Promise<Judged>,
): Promise<Views> {
  const drafts = new Map<string, Omit<DeclaredView, "tables">>();
  for (const [name, { sql, description = "" }] of Object.entries(declarations)) {
    await checkName(name, drafts, catalog);
    const query = `SELECT * FROM (\n${sql}\n) AS muara_view`;
    const judged = await judge(query);
    if (judged.kind === "syntax" || judged.kind === "refused")
      throw invalid(name, `its SQL: ${judged.reason}`);
    if (judged.kind !== "query") throw invalid(name, "its SQL must be a SELECT");
    // The star around it wants no more of its tables than it does itself.
    const bare = await judge(sql);
    const columns = bare.kind === "query" ? bare.columns : null;
    drafts.set(name.toLowerCase(), { name, description, sql, query, judged: { ...judged, columns } });
  }
  const views = new Map<string, DeclaredView>();
  for (const [key, draft] of drafts) {
    const tables = [...(await tablesOf(draft, drafts, catalog, []))];
    views.set(key, { ...draft, tables });
  }
  return views;
}

async function checkName(
  name: string,
  drafts: ReadonlyMap<string, unknown>,
  catalog: Catalog,
): Promise<void> {
  if (!EVENT_TYPE_NAME.test(name) || name.length > EVENT_TYPE_NAME_LENGTH_MAX)
    throw invalid(
      name,
      "a name has letters, digits, - and _ in parts joined by dots, and starts with a letter",
    );
  if (drafts.has(name.toLowerCase())) throw invalid(name, "another view has this name; names ignore case");
  const taken = RESERVED_TABLES.includes(name.toLowerCase()) ? name : (await catalog.find(name))?.name;
  if (taken !== undefined) throw invalid(name, `the table "${taken}" has this name`);
}

async function tablesOf(
  view: Omit<DeclaredView, "tables">,
  drafts: ReadonlyMap<string, Omit<DeclaredView, "tables">>,
  catalog: Catalog,
  above: readonly string[],
): Promise<ReadonlySet<string>> {
  const path = [...above, view.name];
  if (above.includes(view.name)) throw invalid(view.name, `it reads itself: ${path.join(" → ")}`);
  const tables = new Set<string>();
  for (const { name } of view.judged.tables) {
    const inner = drafts.get(name.toLowerCase());
    if (inner) for (const table of await tablesOf(inner, drafts, catalog, path)) tables.add(table);
    else if (await catalog.find(name)) tables.add(name);
    // Ledger tables come with the first commit.
    else if (RESERVED_TABLES.includes(name.toLowerCase())) tables.add(name);
    else throw invalid(view.name, `there is no table or view "${name}"`);
  }
  return tables;
}

function invalid(name: string, reason: string): MuaraError {
  return new MuaraError("config.invalid", `views.${name}: ${reason}`, { details: { key: `views.${name}` } });
}
