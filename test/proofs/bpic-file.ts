/** The BPI Challenge 2019 log, or a generated file of its shape, and what is asked of it. */
import { existsSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { DuckDBInstance } from "@duckdb/node-api";

/** Beside the repository, where it is; it is not part of it (CC BY 4.0, docs/proofs/bpic.md). */
export const BPIC_FILE: string =
  process.env["MUARA_BPIC"] ??
  fileURLToPath(new URL("../../../shared/data/bpic2019.parquet", import.meta.url));

export function hasBpicFile(): boolean {
  return existsSync(BPIC_FILE);
}

export interface FileRow {
  /** From 0, in the file. */
  readonly row: number;
  readonly caseId: string;
  readonly activity: string;
  readonly vendor: string | null;
  readonly timeMs: number;
}

export interface Question {
  readonly rule: string;
  readonly from: string;
  readonly to: string;
  readonly days: number;
}

export const QUESTIONS: readonly Question[] = [
  { rule: "goods_received", from: "Create Purchase Order Item", to: "Record Goods Receipt", days: 30 },
  { rule: "invoice_cleared", from: "Record Invoice Receipt", to: "Clear Invoice", days: 30 },
  { rule: "price_changed", from: "Create Purchase Order Item", to: "Change Price", days: 31 },
  // Whose clocks are the dirty ones.
  { rule: "invoice_recorded", from: "Vendor creates invoice", to: "Record Invoice Receipt", days: 14 },
];

/** Of a case the answer to a question, for each event that begins it. */
export interface FileAnswer {
  readonly row: number;
  readonly caseId: string;
  readonly outcome: string;
  readonly atMs: number;
}

async function ask(sql: string): Promise<readonly (readonly unknown[])[]> {
  const instance = await DuckDBInstance.create();
  const connection = await instance.connect();
  try {
    return (await connection.runAndReadAll(sql)).getRowsJson();
  } finally {
    connection.closeSync();
  }
}

/** Rows of the cases of one part in `parts`, and of those with a clock that is off. */
function eventsOf(file: string, parts: number): string {
  return `events AS (
    SELECT *, epoch_ms(ts) AS ms, file_row_number AS n FROM read_parquet('${file}', file_row_number = true)
    WHERE hash(case_id) % ${parts} = 0 OR case_id IN (
      SELECT case_id FROM read_parquet('${file}') WHERE ts < TIMESTAMP '2017-01-01' OR ts > TIMESTAMP '2019-02-01'))`;
}

export async function readFileRows(file: string, parts: number): Promise<readonly FileRow[]> {
  const rows = await ask(
    `WITH ${eventsOf(file, parts)} SELECT n, case_id, activity, vendor, ms FROM events ORDER BY n`,
  );
  return rows.map(([n, caseId, activity, vendor, ms]) => ({
    row: Number(n),
    caseId: String(caseId),
    activity: String(activity),
    vendor: vendor as string | null,
    timeMs: Number(ms),
  }));
}

/** The batch: the file alone, event by event. */
export async function answerOf(
  file: string,
  parts: number,
  question: Question,
): Promise<readonly FileAnswer[]> {
  const { from, to, days } = question;
  const dayMs = 86_400_000;
  const rows = await ask(`WITH ${eventsOf(file, parts)}
    SELECT n, case_id, found, ms + ${days * dayMs} FROM (
      SELECT *, (SELECT min(later.ms) FROM events AS later WHERE later.case_id = begun.case_id
        AND later.activity = '${to}' AND later.ms - begun.ms BETWEEN 0 AND ${days * dayMs}) AS found
      FROM events AS begun WHERE activity = '${from}')`);
  return rows.map(([n, caseId, found, due]) => ({
    row: Number(n),
    caseId: String(caseId),
    outcome: found === null ? "breached" : "met",
    atMs: Number(found ?? due),
  }));
}

/** For where the file is not: the same columns and activities, two years of cases, some clocks decades off. */
export async function writeBpicLike(path: string, cases: number): Promise<void> {
  const steps: readonly (readonly [string, string, string])[] = [
    ["Create Purchase Order Item", "0", "true"],
    ["Change Price", "1 + hash(i + 1) % 60", "hash(i + 2) % 6 = 0"],
    ["Record Goods Receipt", "1 + hash(i + 3) % 45", "hash(i + 4) % 5 > 0"],
    ["Record Goods Receipt", "2 + hash(i + 5) % 90", "hash(i + 6) % 3 = 0"],
    [
      "Vendor creates invoice",
      "if(hash(i + 7) % 40 = 0, 730 - CAST(hash(i) % 2 AS INTEGER) * 9000, 3)",
      "true",
    ],
    ["Record Invoice Receipt", "4 + hash(i + 8) % 20", "hash(i + 9) % 8 > 0"],
    ["Clear Invoice", "20 + hash(i + 10) % 40", "hash(i + 11) % 4 > 0"],
  ];
  const parts = steps.map(
    ([activity, days, when], step) => `SELECT '45' || i || '_00010' AS case_id, '${activity}' AS activity,
      TIMESTAMP '2018-01-02' + to_seconds(i * 3600 * 8) + to_days(CAST(${days} AS INTEGER)) + to_minutes(${step}) AS ts
      FROM range(${cases}) numbers(i) WHERE ${when}`,
  );
  await ask(`COPY (SELECT case_id, NULL::VARCHAR AS item_type, 'vendor ' || hash(case_id) % 7 AS vendor,
      NULL::BOOLEAN AS gr_based_iv, activity, ts, NULL::VARCHAR AS resource, NULL::DOUBLE AS value_eur
    FROM (${parts.join(" UNION ALL ")}) ORDER BY ts, case_id, activity) TO '${path}' (FORMAT parquet)`);
}
