/**
 * What of a table a principal sees, as conditions and columns for the query process (view.ts): from the grants'
 * scopes, the table's columns and those that the statement may want.
 *
 * The ledger tables have rows about events of all types, some with their bytes. Whoever does not read every table
 * sees, beside what the grant on the ledger table says, only rows of event types that are theirs to read as a whole.
 */
import {
  isAuthorized,
  readRight,
  type Principal,
  type ReadRight,
  type ReadScope,
} from "../../core/authorize.ts";
import { RESERVED_TABLES } from "../../core/event-type.ts";
import type { CatalogTable } from "../catalog.ts";
import type { JudgedCondition } from "./row-condition.ts";
import type { Restriction } from "./restriction.ts";
import { quoteText, type PinnedPart } from "./view.ts";

/** What may be read, with the ledger tables' own rule applied. `types`: undefined where the rule hides nothing. */
export interface TableRight extends ReadRight {
  readonly types: readonly string[] | undefined;
}

export function mayReadWhole(principal: Principal, name: string): boolean {
  return isAuthorized(principal, "read", { kind: "table", name });
}

/** @param tables all of the catalog @returns undefined for a table that does not exist for the principal */
export function tableRight(
  principal: Principal,
  table: CatalogTable,
  tables: readonly CatalogTable[],
): TableRight | undefined {
  const right = table.kind === "current" ? currentRight(principal, table) : readRight(principal, table.name);
  if (!right) return undefined;
  const isLedger = table.kind === "ledger" && RESERVED_TABLES.includes(table.name);
  if (!isLedger || mayReadWhole(principal, "*")) return { ...right, types: undefined };
  const types = tables.filter(({ kind, name }) => kind === "event_type" && mayReadWhole(principal, name));
  return { isWhole: false, scopes: right.scopes, types: types.map(({ name }) => name) };
}

/** Whoever may read the changes may read what they come to; a grant may also be of the current state alone. */
function currentRight(principal: Principal, { name, captured }: CatalogTable): ReadRight | undefined {
  const rights = [readRight(principal, name), captured && readRight(principal, captured.name)];
  return rights.find((right) => right?.isWhole) ?? rights.find((right) => right !== undefined);
}

/** Whether a column exists for the holder of the right. */
export function isVisible({ scopes }: ReadRight, column: string): boolean {
  return scopes.some(({ columns }) => gives(columns, column));
}

/** The conditions of a right that are not judged yet. */
export function conditionsOf({ scopes }: ReadRight): readonly string[] {
  return scopes.flatMap(({ rows }) => (rows === undefined ? [] : [rows]));
}

/**
 * @param columns of the table @param wanted by the statement, lower case; null: any
 * @returns null where everything is visible, undefined where no column is
 */
export function partOf(
  right: TableRight,
  columns: readonly string[],
  wanted: readonly string[] | null,
): PinnedPart | null | undefined {
  if (right.isWhole) return null;
  const visible = columns.filter((column) => isVisible(right, column));
  if (visible.length === 0) return undefined;
  // A scope none of whose columns the table has gives no rows either.
  const scopes = right.scopes.filter((scope) => visible.some((name) => gives(scope.columns, name)));
  const rows = and(typesCondition(right.types), either(scopes));
  const conditional = visible.map((name) => ({
    name,
    when: whenOf(
      scopes.filter((scope) => gives(scope.columns, name)),
      scopes.length,
    ),
  }));
  const isCopied = rows !== null || conditional.some(({ when }) => when !== null);
  const used =
    isCopied && wanted ? conditional.filter(({ name }) => wanted.includes(name.toLowerCase())) : conditional;
  return { rows, columns: used.length > 0 ? used : conditional.slice(0, 1) };
}

/** Per alternative of the right's conditions, what it says of columns; for choosing files. */
export function alternativesOf(
  { scopes }: ReadRight,
  judged: (condition: string) => JudgedCondition & { kind: "condition" },
): readonly (readonly Restriction[])[] {
  return scopes.flatMap(({ rows }) => (rows === undefined ? [[]] : judged(rows).alternatives));
}

function gives(columns: readonly string[] | undefined, column: string): boolean {
  return columns === undefined || columns.some((name) => name.toLowerCase() === column.toLowerCase());
}

/** A column that every scope has is there in every visible row. */
function whenOf(giving: readonly ReadScope[], scopeCount: number): string | null {
  return giving.length === scopeCount ? null : either(giving);
}

function either(scopes: readonly ReadScope[]): string | null {
  const conditions = scopes.map(({ rows }) => rows);
  if (conditions.includes(undefined)) return null;
  return conditions.map((condition) => `(${condition!}\n)`).join(" OR ");
}

function and(a: string | null, b: string | null): string | null {
  return a === null || b === null ? (a ?? b) : `(${a}) AND (${b})`;
}

function typesCondition(types: readonly string[] | undefined): string | null {
  if (!types) return null;
  return types.length === 0 ? "false" : `event_type IN (${types.map(quoteText).join(", ")})`;
}
