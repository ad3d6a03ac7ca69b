/**
 * A part of a table as recipients see it: schema, table partition and properties without what is hidden, made
 * from the same right that SQL goes by (lake/query/part.ts). A column that exists for the recipient but not in
 * all rows cannot be a partition column any more: it is NULL in some rows of a file, so the file stores it.
 */
import { createHmac } from "node:crypto";
import type { Principal } from "../../core/authorize.ts";
import type { AddFile, TableMetadata } from "../../core/ports/table-log.ts";
import type { SharedTable } from "../../core/share.ts";
import type { CatalogTable, TableSchema } from "../catalog.ts";
import { fileFilter } from "../query/file-filter.ts";
import { alternativesOf, partOf, tableRight, type TableRight } from "../query/part.ts";
import type { Restriction } from "../query/restriction.ts";
import type { JudgedCondition } from "../query/row-condition.ts";
import type { PinnedPart } from "../query/view.ts";
import { formatSchema, parseSchema } from "../table/delta-schema.ts";
import { DELETED_FILE_RETENTION, OWNER, RETENTION } from "../table/table-properties.ts";

/** Properties of the table that say nothing of hidden columns. */
const PROPERTIES: ReadonlySet<string> = new Set([DELETED_FILE_RETENTION, RETENTION, OWNER]);
/** Files of parts made by other rules than today's are made anew. */
const FORM = 1;
const NAME_LENGTH = 32;
const FORM_LENGTH = 16;

/** @returns undefined for a table that does not exist for the recipient */
export function sharedRight(
  shared: SharedTable,
  principal: Principal,
  table: CatalogTable,
  tables: readonly CatalogTable[],
): TableRight | undefined {
  if (shared.isGranted) return tableRight(principal, table, tables);
  return { isWhole: shared.scope === undefined, scopes: [shared.scope ?? {}], types: undefined };
}

export interface PartForm {
  /** What of the data files is visible; for the query process. */
  readonly part: PinnedPart;
  readonly schema: TableSchema;
  readonly metadata: TableMetadata;
  /** Tells this form of the part from others of the same right. */
  readonly name: string;
}

/**
 * @param key secret, so that nobody can try out which condition a name stands for
 * @param folder of `rightName` @returns undefined where no column is visible
 */
export function partForm(
  key: Uint8Array,
  right: TableRight,
  folder: string,
  metadata: TableMetadata,
): PartForm | undefined {
  const { fields } = parseSchema(metadata.schemaString);
  const part = partOf(
    right,
    fields.map(({ name }) => name),
    null,
  );
  if (!part) return undefined;
  const shown = fields.flatMap((field) => {
    const column = part.columns.find(({ name }) => name === field.name);
    return column ? [column.when === null ? field : { ...field, nullable: true }] : [];
  });
  const partitionColumns = metadata.partitionColumns.filter((name) =>
    part.columns.some((column) => column.name === name && column.when === null),
  );
  const schemaString = formatSchema({ type: "struct", fields: shown });
  const configuration = Object.fromEntries(
    Object.entries(metadata.configuration).filter(([name]) => PROPERTIES.has(name)),
  );
  const id = uuidOf(digest(key, ["id", metadata.id, folder]));
  const rules = [FORM, metadata.id, metadata.schemaString, metadata.partitionColumns, part];
  return {
    part,
    schema: { schemaString, partitionColumns },
    metadata: { ...metadata, id, schemaString, partitionColumns, configuration },
    name: digest(key, ["form", ...rules]).slice(0, FORM_LENGTH),
  };
}

/** The folder of a right's files: the same for all who have the same right. */
export function rightName(key: Uint8Array, table: string, { scopes }: Pick<TableRight, "scopes">): string {
  return digest(key, ["right", table, scopes]).slice(0, NAME_LENGTH);
}

export function sourceName(key: Uint8Array, path: string): string {
  return digest(key, ["source", path]).slice(0, NAME_LENGTH);
}

/**
 * Which data files to look into at all, by nothing but what the recipient may know: the right's own conditions, and of
 * the hints only those about columns that are the same in all rows. Where rows are hidden, these are table partition,
 * time and place of arrival alone, because the time of an answer would tell of others.
 */
export function sourceFilter(
  right: TableRight,
  { part, schema }: PartForm,
  whole: TableSchema,
  judged: (condition: string) => JudgedCondition & { kind: "condition" },
  hints: readonly (readonly Restriction[])[],
  open: ReadonlySet<string>,
): (file: Pick<AddFile, "partitionValues" | "stats">) => boolean {
  const isAllowed = fileFilter(alternativesOf(right, judged), whole.schemaString, whole.partitionColumns);
  const known = new Set(
    part.columns.filter(({ when }) => when === null).map(({ name }) => name.toLowerCase()),
  );
  const partition = new Set(schema.partitionColumns.map((name) => name.toLowerCase()));
  const isOpen = (column: string): boolean =>
    known.has(column) && (part.rows === null || open.has(column) || partition.has(column));
  const chosen = hints.map((all) => all.filter(({ column }) => isOpen(column)));
  const isWanted = fileFilter(chosen, whole.schemaString, whole.partitionColumns);
  return (file) => isAllowed(file) && isWanted(file);
}

function digest(key: Uint8Array, value: readonly unknown[]): string {
  return createHmac("sha256", key).update(JSON.stringify(value)).digest("hex");
}

function uuidOf(hex: string): string {
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `4${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join("-");
}
