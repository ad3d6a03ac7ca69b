/**
 * From the tables and views that a statement mentions to what the query process gets: each table's pinned snapshot,
 * the part of it that the asker sees, and the files that may have rows of it.
 */
import type { Principal } from "../../core/authorize.ts";
import { CURRENT_SLICE } from "../../core/columns.ts";
import { MuaraError } from "../../core/errors.ts";
import type { AddFile, TableSnapshot } from "../../core/ports/table-log.ts";
import type { Catalog, CatalogTable, TableSchema } from "../catalog.ts";
import { fileFilter } from "./file-filter.ts";
import { missingTable } from "./missing-table.ts";
import type { Judged, TableMention } from "./gate.ts";
import { alternativesOf, conditionsOf, partOf, tableRight, type TableRight } from "./part.ts";
import type { Restriction } from "./restriction.ts";
import type { JudgedCondition } from "./row-condition.ts";
import { type Overlay, pinCurrent } from "./pin-current.ts";
import { pinSnapshot, type At, type PinnedSnapshot } from "./time-travel.ts";
import type { PinnedPart, PinnedView } from "./view.ts";
import type { DeclaredView, Views } from "./views.ts";

export interface Pinned {
  readonly table: CatalogTable;
  readonly snapshot: TableSnapshot;
  readonly ingestedUntilMs: number | null;
  readonly names: readonly string[];
  readonly schema: TableSchema;
  /** Those that may have rows that the query wants. */
  readonly files: readonly AddFile[];
  readonly part: PinnedPart | null;
  /** Of a current state. */
  readonly overlay?: Overlay;
}

export interface Pins {
  readonly tables: readonly Pinned[];
  /** Each after those that it reads. */
  readonly views: readonly PinnedView[];
}

export interface PinRequest {
  readonly catalog: Catalog;
  readonly views: Views;
  readonly principal: Principal;
  readonly at: At | undefined;
  readonly nowMs: number;
  /** Where a mention stands, for errors. */
  readonly placeOf: (mention: TableMention) => Readonly<Record<string, unknown>>;
  readonly judgeCondition: (condition: string) => Promise<JudgedCondition>;
}

/**
 * Time and place of arrival: by these the files of a table are chosen also where rows are hidden. By any other
 * column the time that an answer takes could tell what hidden rows have in it.
 */
export const ARRIVAL_COLUMNS: ReadonlySet<string> = new Set([
  "event_time",
  "ingest_time",
  "log_partition",
  "log_offset",
]);

interface Mentioned {
  readonly table: CatalogTable;
  readonly right: TableRight;
  readonly names: string[];
  readonly wanted: (readonly Restriction[])[];
}

/** @throws table.not_found, table.version_not_found, request.malformed, sql.failed where a grant cannot be applied */
export async function pinAll(request: PinRequest, judged: Judged & { kind: "query" }): Promise<Pins> {
  const collected = new Collected(request, await request.catalog.list());
  await collected.add(judged);
  const tables: Pinned[] = [];
  const mentioned = [...collected.tables.values()];
  for (const one of mentioned) tables.push(await pin(request, one, mentioned.length, collected.columns));
  return { tables, views: [...collected.views.values()] };
}

class Collected {
  readonly tables = new Map<string, Mentioned>();
  readonly views = new Map<string, PinnedView>();
  /** Names of columns that the statement or a view may want; null: any. */
  columns: readonly string[] | null = [];
  readonly #request: PinRequest;
  readonly #all: readonly CatalogTable[];

  constructor(request: PinRequest, all: readonly CatalogTable[]) {
    this.#request = request;
    this.#all = all;
  }

  async add(judged: Judged & { kind: "query" }): Promise<void> {
    this.columns = this.columns && judged.columns ? [...this.columns, ...judged.columns] : null;
    for (const mention of judged.tables) await this.#mention(mention);
  }

  async #mention(mention: TableMention): Promise<void> {
    const { catalog, views, principal } = this.#request;
    const table = await catalog.find(mention.name);
    if (!table) {
      const view = views.get(mention.name.toLowerCase());
      if (view && (await mayReadView(view, catalog, principal, this.#all))) return this.#view(view);
    }
    const right = table && tableRight(principal, table, this.#all);
    if (!table || !right) throw await this.#notFound(mention);
    const known = this.tables.get(table.name) ?? { table, right, names: [], wanted: [] };
    known.names.push(mention.name);
    known.wanted.push(...mention.wanted);
    this.tables.set(table.name, known);
  }

  async #view(view: DeclaredView): Promise<void> {
    if (this.views.has(view.name)) return;
    await this.add(view.judged);
    this.views.set(view.name, { name: view.name, query: view.query });
  }

  /** What one may not read does not exist: the same answer for both. */
  async #notFound(mention: TableMention): Promise<MuaraError> {
    const { catalog, views, principal, placeOf } = this.#request;
    const names = this.#all
      .filter((table) => tableRight(principal, table, this.#all))
      .map(({ name }) => name);
    for (const view of await readableViews(catalog, views, principal, this.#all)) names.push(view.name);
    return missingTable(mention.name, names, placeOf(mention));
  }
}

/** Those whose tables all exist for the principal and whose names no table has, by name. */
export async function readableViews(
  catalog: Catalog,
  views: Views,
  principal: Principal,
  all: readonly CatalogTable[],
): Promise<readonly DeclaredView[]> {
  const found: DeclaredView[] = [];
  for (const view of views.values())
    if (!(await catalog.find(view.name)) && (await mayReadView(view, catalog, principal, all)))
      found.push(view);
  return found.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** Whether all its tables exist for the principal, in whole or in part. */
async function mayReadView(
  view: DeclaredView,
  catalog: Catalog,
  principal: Principal,
  all: readonly CatalogTable[],
): Promise<boolean> {
  for (const name of view.tables) {
    const table = await catalog.find(name);
    if (!table || !tableRight(principal, table, all)) return false;
  }
  return true;
}

async function pin(
  request: PinRequest,
  { table, right, names, wanted }: Mentioned,
  tableCount: number,
  columns: readonly string[] | null,
): Promise<Pinned> {
  const { catalog, at, nowMs } = request;
  const pinned: PinnedSnapshot & { readonly schema?: TableSchema; readonly overlay?: Overlay } =
    table.kind === "current"
      ? await pinCurrent(catalog, table, at, tableCount, nowMs)
      : await pinSnapshot(catalog, table.name, at, tableCount, nowMs);
  const schema = pinned.schema ?? catalog.schema(table, pinned.snapshot);
  const fields = fieldsOf(schema).filter((name) => table.kind !== "current" || name !== CURRENT_SLICE);
  const part = partOf(right, fields, columns);
  // None of the columns of the grant is in the table, or in this version of it.
  if (part === undefined)
    throw new MuaraError("table.not_found", `There is no table "${names[0]!}".`, {
      details: { table: names[0]! },
    });
  const judged = await judgedConditions(request, table.name, right, fields);
  const allowed = fileFilter(alternativesOf(right, judged), schema.schemaString, schema.partitionColumns);
  const hidesRows = part !== null && (part.rows !== null || part.columns.some(({ when }) => when !== null));
  const open = new Set([...ARRIVAL_COLUMNS, ...schema.partitionColumns.map((name) => name.toLowerCase())]);
  const chosen = hidesRows ? wanted.map((all) => all.filter(({ column }) => open.has(column))) : wanted;
  const isWanted = fileFilter(chosen, schema.schemaString, schema.partitionColumns);
  // A row that is not wanted may become one that is, by a change that is laid over it.
  const isFolded = pinned.overlay?.changes != null;
  const files = [...pinned.snapshot.files.values()].filter(
    (file) => isFolded || (allowed(file) && isWanted(file)),
  );
  return { table, ...pinned, names, schema, files, part };
}

/** @throws sql.failed where a condition is not of the form that is taken now, or names what the table has not */
export async function judgedConditions(
  { judgeCondition }: Pick<PinRequest, "judgeCondition">,
  tableName: string,
  right: TableRight,
  fields: readonly string[],
): Promise<(condition: string) => JudgedCondition & { kind: "condition" }> {
  const known = new Map<string, JudgedCondition & { kind: "condition" }>();
  const names = new Set(fields.map((name) => name.toLowerCase()));
  for (const condition of conditionsOf(right)) {
    const judged = await judgeCondition(condition);
    if (judged.kind === "refused" || judged.columns.some((column) => !names.has(column)))
      throw new MuaraError(
        "sql.failed",
        `The grant on "${tableName}" has a condition on rows that does not fit the table; it has to be renewed.`,
        { details: { table: tableName } },
      );
    known.set(condition, judged);
  }
  return (condition) => known.get(condition)!;
}

function fieldsOf({ schemaString }: TableSchema): readonly string[] {
  const { fields } = JSON.parse(schemaString) as { fields: readonly { name: string }[] };
  return fields.map(({ name }) => name);
}
