/** What the planner has found out about a job's SELECT, for those who compile it. */
import type { JobText } from "./job-text.ts";
import type { Column, PlanningEngine } from "./planning-engine.ts";
import type { Proof } from "./proof/prove.ts";
import type { Replacement, SelectText } from "./select-text.ts";
import { byteOf, text, type Tree } from "./tree.ts";
import type { WindowCall } from "./relation/window-call.ts";

/** A table that jobs may read. */
export interface JobTable {
  /** All under which SQL knows it; the first is its own. */
  readonly names: readonly string[];
  /** In its order, by the types of the lake's SQL. */
  readonly columns: readonly Column[];
  /** Results of another job: of its columns only `row_id` is unique. */
  readonly isOfJob?: boolean;
}

/** A table that the job reads. */
export interface Input {
  readonly table: JobTable;
  /** Those that it wants, in the table's order. */
  readonly columns: readonly Column[];
}

export interface Analysis {
  readonly job: JobText;
  readonly select: SelectText;
  /** The SELECT as it runs over tables of the lake. */
  readonly batch: string;
  /** Of the SELECT. */
  readonly tree: Tree;
  readonly latenessMs: number;
  readonly inputs: readonly Input[];
  readonly calls: readonly WindowCall[];
  readonly proof: Proof;
  readonly engine: PlanningEngine;
  /** Of the SELECT as it stands. */
  readonly result: readonly Column[];
  /** Place in the job's file of a byte of the SELECT. */
  readonly at: (byte: number | null) => number;
}

/** @returns undefined where the job reads no such table */
export function inputOf(inputs: readonly Input[], name: string): number | undefined {
  const found = inputs.findIndex(({ table }) => table.names.some((known) => known.toLowerCase() === name));
  return found < 0 ? undefined : found;
}

/** The tables that stand in the text become the rows of a step. */
export function overNewRows({ proof, inputs }: Analysis): readonly Replacement[] {
  return proof.tables.map((node) => {
    const written = text(node, "table_name");
    const alias = text(node, "alias") ? "" : ` AS "${written.replaceAll('"', '""')}"`;
    const name = written.toLowerCase();
    return { byte: byteOf(node)!, name, by: `new_${inputOf(inputs, name)!}${alias}` };
  });
}
