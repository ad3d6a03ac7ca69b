/**
 * A share: a named, revocable grant to read some tables, for people outside who speak the Delta Sharing protocol. It
 * says which tables under which names, and whether their history may be read, too. Declared in the configuration or at
 * run time; who may read it is said by tokens with the right `read share NAME`, and by nothing else.
 *
 * A share can give a part of a table: columns and rows that it says itself, the same for all its recipients, or what
 * each recipient's own grants on the table give (`granted`).
 *
 * Names have no dots, because clients write `share.schema.table`, and are compared ignoring case, as the protocol says.
 */
import { z } from "zod";
import type { ReadScope } from "./authorize.ts";
import { sqlAlias } from "./event-type.ts";
import { scopeFields } from "./role.ts";

const NAME = "[A-Za-z0-9_-]{1,100}";
export const SHARE_NAME: RegExp = new RegExp(`^${NAME}$`);
const SHARED_AS = new RegExp(`^${NAME}\\.${NAME}$`);
const SCHEMA_DEFAULT = "default";
const TABLES_MAX = 10_000;

const nameText = z.string().regex(SHARE_NAME, "1 to 100 letters, digits, _ and -");
const tableOptions = z
  .strictObject({
    as: z.string().regex(SHARED_AS, "SCHEMA.TABLE of letters, digits, _ and -").optional(),
    history: z.boolean().default(false),
    ...scopeFields,
    granted: z
      .boolean()
      .default(false)
      .describe("Each recipient sees what its own grants to read the table give, and nothing without one."),
  })
  .refine(
    ({ granted, columns, rows }) => !granted || (columns === undefined && rows === undefined),
    "granted goes without columns and rows",
  );

/** What the configuration says of one share: tables by their own name. */
export const declaredShareSchema = z.strictObject({
  description: z.string().max(200).default(""),
  tables: z
    .record(z.string().min(1).max(255), tableOptions)
    .refine((tables) => Object.keys(tables).length <= TABLES_MAX, `at most ${TABLES_MAX} tables`),
});
export const declaredSharesSchema = z.record(nameText, declaredShareSchema);

export type DeclaredShare = z.infer<typeof declaredShareSchema>;

/** One table of a share, under the names that recipients see. */
export interface SharedTable {
  readonly share: string;
  readonly schema: string;
  readonly name: string;
  /** The table's own name. */
  readonly table: string;
  /** Whether old versions and changes may be read. */
  readonly hasHistory: boolean;
  /** What of it every recipient sees; undefined: all of it, or what `isGranted` says. */
  readonly scope: ReadScope | undefined;
  /** Whether a recipient sees what its own grants on the table give. */
  readonly isGranted: boolean;
}

export interface Share {
  readonly name: string;
  readonly description: string;
  /** `config` cannot be changed at run time. */
  readonly origin: "config" | "registry";
  /** By schema and name. */
  readonly tables: readonly SharedTable[];
}

export function shareOf(name: string, declared: DeclaredShare, origin: Share["origin"]): Share {
  const tables = Object.entries(declared.tables).map(([table, options]): SharedTable => {
    const { columns, rows, granted: isGranted } = options;
    const scope = columns === undefined && rows === undefined ? undefined : { columns, rows };
    const [schema, as] = (options.as ?? `${SCHEMA_DEFAULT}.${sqlAlias(table)}`).split(".");
    return {
      share: name,
      schema: schema!,
      name: as!,
      table,
      hasHistory: options.history,
      scope,
      isGranted,
    };
  });
  tables.sort((a, b) => compareNames(a.schema, b.schema) || compareNames(a.name, b.name));
  return { name, description: declared.description, origin, tables };
}

/** @param path of a file in the lake's store, which begins with the table's own name */
export function isFileOf({ table }: SharedTable, path: string): boolean {
  const own = path.slice(0, path.indexOf("/"));
  return own === table || sqlAlias(own) === table;
}

/** Two tables under one name; undefined where there are none. */
export function sharedTwice(share: Share): readonly [SharedTable, SharedTable] | undefined {
  for (let i = 1; i < share.tables.length; i++) {
    const [before, here] = [share.tables[i - 1]!, share.tables[i]!];
    if (isSameName(before.schema, here.schema) && isSameName(before.name, here.name)) return [before, here];
  }
  return undefined;
}

export function isSameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

/** Order of names, ignoring case. */
export function compareNames(a: string, b: string): number {
  const [x, y] = [a.toLowerCase(), b.toLowerCase()];
  return x < y ? -1 : x > y ? 1 : 0;
}
