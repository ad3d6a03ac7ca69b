/**
 * Who may see what, said twice: as the program is told (grants) and as a plain model decides it cell by cell. A door
 * is any way by which rows leave the program; shares and extracts join the matrix by adding theirs to the lists.
 */
import type { Grant } from "../../core/authorize.ts";

export const TABLES = ["sales.ORDER", "sales.RETURN"] as const;
/** Payload columns and the id, whose values are compared; of the others only whether they exist. */
export const COMPARED = ["event_id", "country", "total", "note"] as const;

export type Cells = Readonly<Record<string, string | null>>;

/** A table as somebody gets it: the names of its columns, and rows by `event_id` where that is visible. */
export interface Seen {
  readonly columns: readonly string[];
  readonly rows: readonly Cells[];
}

/** @returns undefined where the table does not exist for the holder of the token */
export type RowDoor = (token: string, table: string) => Promise<Seen | undefined>;
/** Whether something that tells of the whole table, or of events in it, is given to the holder of the token. */
export type WholeDoor = (token: string, table: string) => Promise<boolean>;

interface Condition {
  readonly sql: string;
  readonly holds: (row: Cells) => boolean;
}

/** SQL and what it means, also for NULL, which is not true. */
export const CONDITIONS: readonly Condition[] = [
  { sql: "country = 'DE'", holds: ({ country }) => country === "DE" },
  { sql: "total < 40", holds: ({ total }) => total != null && Number(total) < 40 },
  {
    sql: "country IN ('AT', 'CH') OR note IS NULL",
    holds: ({ country, note }) => ["AT", "CH"].includes(country ?? "") || note === null,
  },
  {
    sql: "NOT (lower(country) = 'de')",
    holds: ({ country }) => country !== null && country!.toLowerCase() !== "de",
  },
  {
    sql: "note LIKE 'n%' AND total BETWEEN 20 AND 70",
    holds: ({ note, total }) =>
      note?.startsWith("n") === true && total != null && Number(total) >= 20 && Number(total) <= 70,
  },
  { sql: "false", holds: () => false },
];

/** A part of a table as the model sees it. */
export interface Scope {
  readonly columns?: readonly string[];
  readonly condition?: Condition;
}

export interface ModelPrincipal {
  readonly name: string;
  readonly isViaRole: boolean;
  /** Per table: null for the whole, a list of parts, or nothing. */
  readonly rights: ReadonlyMap<string, null | readonly Scope[]>;
  /** Tables of whose shares, and of whose feeds, the principal may read: rights that no table's grant gives. */
  readonly shares: ReadonlySet<string>;
  readonly extracts: ReadonlySet<string>;
  readonly grants: readonly Grant[];
}

/** Name of the share and of the feed that the matrix has of a table. */
export const outletOf = (table: string): string => `of_${table.toLowerCase().replaceAll(".", "_")}`;

/** Name of the share that gives of a table what each recipient's grants do. */
export const grantedOf = (table: string): string => `granted_${outletOf(table)}`;

const COLUMN_SETS: readonly (readonly string[] | undefined)[] = [
  undefined,
  ["event_id", "total"],
  ["event_id", "country", "NOTE"],
  ["total"],
  ["log_offset", "event_id"],
];

/** @param random uniform in [0, 1) */
export function makePrincipals(count: number, random: () => number): readonly ModelPrincipal[] {
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)]!;
  return Array.from({ length: count }, (_, i) => {
    const rights = new Map<string, null | readonly Scope[]>();
    for (const table of TABLES) {
      const kind = random();
      if (kind < 0.15) continue;
      if (kind < 0.3) rights.set(table, null);
      else
        rights.set(
          table,
          Array.from({ length: 1 + Math.floor(random() * 3) }, () =>
            scopeOf(pick(COLUMN_SETS), random() < 0.75 ? pick(CONDITIONS) : undefined),
          ),
        );
    }
    const [shares, extracts] = [TABLES.filter(() => random() < 0.4), TABLES.filter(() => random() < 0.4)];
    const grants = [...rights].flatMap(([table, scopes]) => grantsOf(table, scopes));
    // Rights that must give nothing to read.
    grants.push(
      { action: "write", kind: "event_type", name: TABLES[0] },
      { action: "read", kind: "event_type", name: "*" },
    );
    grants.push(...TABLES.map((table): Grant => ({ action: "read", kind: "share", name: grantedOf(table) })));
    grants.push(...shares.map((table): Grant => ({ action: "read", kind: "share", name: outletOf(table) })));
    grants.push(
      ...extracts.map((table): Grant => ({ action: "read", kind: "extract", name: outletOf(table) })),
    );
    return {
      name: `p${i}`,
      isViaRole: i % 2 === 1,
      rights,
      shares: new Set(shares),
      extracts: new Set(extracts),
      grants,
    };
  });
}

function scopeOf(columns: readonly string[] | undefined, condition: Condition | undefined): Scope {
  return { ...(columns ? { columns } : {}), ...(condition ? { condition } : {}) };
}

function grantsOf(table: string, scopes: null | readonly Scope[]): Grant[] {
  const whole: Grant = { action: "read", kind: "table", name: table };
  return (scopes ?? [{}]).map(({ columns, condition }) => ({
    ...whole,
    ...(columns ? { columns } : {}),
    ...(condition ? { rows: condition.sql } : {}),
  }));
}

const gives = ({ columns }: Scope, column: string): boolean =>
  columns === undefined || columns.some((name) => name.toLowerCase() === column.toLowerCase());
const holds = ({ condition }: Scope, row: Cells): boolean => condition === undefined || condition.holds(row);

export function isWhole(principal: ModelPrincipal, table: string): boolean {
  const scopes = principal.rights.get(table);
  return scopes === null || scopes?.some((scope) => !scope.columns && !scope.condition) === true;
}

/** Cell by cell: there iff one right gives both its row and its column. */
export function expectedOf(principal: ModelPrincipal, table: string, truth: Seen): Seen | undefined {
  const right = principal.rights.get(table);
  if (right === undefined) return undefined;
  const scopes = right ?? [{}];
  const columns = truth.columns.filter((column) => scopes.some((scope) => gives(scope, column)));
  const rows = truth.rows
    .filter((row) => scopes.some((scope) => holds(scope, row)))
    .map((row) =>
      Object.fromEntries(
        COMPARED.filter((column) => columns.includes(column)).map((column) => [
          column,
          scopes.some((scope) => gives(scope, column) && holds(scope, row)) ? row[column]! : null,
        ]),
      ),
    );
  return { columns, rows };
}

/** In an order of their own, since a table has none. */
export function sorted({ columns, rows }: Seen): Seen {
  return { columns, rows: rows.toSorted((a, b) => (textOf(a) < textOf(b) ? -1 : 1)) };
}

const textOf = (row: Cells): string => JSON.stringify(COMPARED.map((column) => row[column] ?? null));
