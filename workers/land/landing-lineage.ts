/** What a landing tells of where its rows come from: one run per commit with records, never for a watermark alone. */
import { planColumns } from "../../core/columns.ts";
import type { EventType } from "../../core/event-type.ts";
import type { LedgerLine } from "../../core/books.ts";
import type { AddFile } from "../../core/ports/table-log.ts";
import type { Lineage, LineageInput, LineageRun, LineageSource } from "../../core/ports/lineage.ts";
import { lineageFields } from "../../lake/lineage-fields.ts";
import type { LandingState } from "./state.ts";

/** What a commit has written. */
export interface Written {
  readonly add: readonly AddFile[];
  readonly ledger: readonly LedgerLine[];
}

export function landingRun(lineage: Lineage | undefined, { name }: EventType): LineageRun | undefined {
  if (!lineage) return undefined;
  const job = { name: `land.${name}`, kind: "LANDING" } as const;
  return lineage.start(job, [{ of: lineage.stream(name) }], [{ of: lineage.table(name) }]);
}

export function landedRun(
  lineage: Lineage,
  run: LineageRun,
  type: EventType,
  { snapshot }: LandingState,
  { add, ledger }: Written,
): void {
  const of = lineage.stream(type.name);
  const sum = (key: "landed" | "dead"): number => ledger.reduce((total, line) => total + line[key], 0);
  const dead = sum("dead");
  const input: LineageInput = {
    of,
    version: ledger.map(({ partition, from, to }) => `${partition}:${from}-${to}`).join(),
    assertions: [
      { assertion: "lands", success: dead === 0, expected: "0 dead letters", actual: String(dead) },
    ],
  };
  const bytes = add.reduce((total, { size }) => total + size, 0);
  run.complete(
    [input],
    [
      {
        of: lineage.table(type.name),
        version: String(snapshot.version),
        ...(snapshot.metadata ? { fields: lineageFields(snapshot.metadata.schemaString) } : {}),
        columns: copiedColumns(type, of),
        written: { rows: sum("landed"), bytes, files: add.length },
      },
    ],
  );
}

/** Columns that hold what a field of the event holds; those that the log adds come from nowhere else. */
function copiedColumns(
  type: EventType,
  of: { readonly namespace: string; readonly name: string },
): Readonly<Record<string, readonly LineageSource[]>> {
  const { beside, payload, body } = planColumns(type);
  return Object.fromEntries([
    ...beside.map(({ name, field }) => [name, [{ ...of, field }]] as const),
    ...payload.map(({ name, field }) => [name, [{ ...of, field: [...body, field].join(".") }]] as const),
  ]);
}
