/** Rows of a table, or of the CTE before what releases them, that a job keeps. */
import { quoteName, quoteText } from "../../query/quote.ts";
import { inputOf, overNewRows, type Analysis } from "../analysis.ts";
import type { JoinSide } from "../relation/join-side.ts";
import type { Column } from "../planning-engine.ts";
import { JobRefused } from "../refusal.ts";
import { admitted } from "./macros.ts";
import type { Replacement } from "../select-text.ts";
import { text, type Tree } from "../tree.ts";

/** Whether it is, or is behind, what releases rows. */
export function isBehind({ proof }: Analysis, stage: string): boolean {
  return proof.stages.get(stage)?.isWindowed ?? false;
}

/** SELECT of it over new rows. @param source lower case */
export function stageOf(analysis: Analysis, source: string, isStage: boolean): string {
  const { inputs, select } = analysis;
  if (!isStage) return `SELECT * FROM new_${inputOf(inputs, source)!}`;
  return select.stage(source, overNewRows(analysis), (stage) => !isBehind(analysis, stage));
}

/** @param place in the job's file @throws JobRefused where the source has not what admission needs */
export async function checkTimes(
  { engine }: Analysis,
  { source, stage, time }: { readonly source: string; readonly stage: string; readonly time: string },
  place: number,
): Promise<readonly Column[]> {
  const columns = await engine.describe(stage);
  for (const name of ["watermark", time]) {
    const column = columns.find((one) => one.name.toLowerCase() === name);
    if (!column)
      throw new JobRefused(
        place,
        `"${source}" has no column ${name}, by which rows are admitted.`,
        `SELECT ${name}, …`,
      );
    if (column.type !== "TIMESTAMP WITH TIME ZONE")
      throw new JobRefused(place, `${name} is of type ${column.type}.`, `CAST(${name} AS TIMESTAMPTZ)`);
  }
  return columns;
}

/** Whether the job reads rows of that input in a CTE, of which is not known which rows of it still count. */
export function isReadElsewhere({ proof, inputs }: Analysis, input: number): boolean {
  return proof.tables.some((node: Tree) => inputOf(inputs, text(node, "table_name").toLowerCase()) === input);
}

/** The name of a join's side in the text as another relation of the same name. */
export function over(side: JoinSide, relation: string): Replacement {
  const { node, source, sourceByte } = side;
  const alias = text(node, "alias") ? "" : ` AS ${quoteName(text(node, "table_name"))}`;
  return { byte: sourceByte, name: source, by: `${relation}${alias}` };
}

/** New rows that count, and for what is not released yet. @param end SQL: until when a row may come, and is kept */
export function keep(table: string, stage: string, time: string, end: string): string {
  return `INSERT INTO ${table} SELECT * FROM (\n${stage}\n) WHERE ${quoteName(time)} IS NOT NULL
    AND ${admitted(end, 0)} AND ${end} > getvariable('released_to')`;
}

/** New rows that are too late for something. SQL over `muara_stage`. */
export function correction(
  source: string,
  stage: string,
  { start, end, isLate }: { readonly start: string; readonly end: string; readonly isLate: string },
): string {
  return `SELECT ${quoteText(source)} AS source, ${start} AS window_start, ${end} AS window_end,
      to_json(muara_stage)::VARCHAR AS late_row
    FROM (\n${stage}\n) AS muara_stage WHERE ${isLate}`;
}
