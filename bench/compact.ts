/**
 * Compaction of a day's small files to one, against one plain DuckDB `COPY … ORDER BY` over the same files with the
 * same memory and one thread. CPU of this process and of that which rewrites files, without the first round, in which
 * engines start; sides take turns, medians: `npm run bench:compact` (`--json` for one object). Ours checks every file's
 * checksum, makes statistics and the new checksum, stores the file durably and commits. Goal: 0.85 of plain DuckDB.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { openEngine } from "../lake/query/session.ts";
import { printResult } from "./result.ts";
import { raceRuns, type Run, runOnce } from "./run.ts";

const TURNS = Number(process.env["TURNS"] ?? 3);
const ROUNDS = Number(process.env["ROUNDS"] ?? 3);
const FILES = Number(process.env["FILES"] ?? 64);
const ROWS_PER_FILE = Number(process.env["ROWS"] ?? 12_000);

const folder = mkdtempSync(join(tmpdir(), "muara-bench-"));
try {
  await writeFiles();
  const ours: Run[] = [];
  const plain: Run[] = [];
  for (let turn = 0; turn < TURNS; turn++) {
    ours.push(runOnce("compact-run.ts", "compact", folder, String(ROUNDS)));
    for (let round = 0; round < ROUNDS; round++)
      rmSync(join(folder, `lake-${round}`), { recursive: true, force: true });
    plain.push(runOnce("compact-run.ts", "plain", folder, String(ROUNDS)));
  }
  printResult("compact", [
    raceRuns(`${FILES} files to one, sorted`, FILES * ROWS_PER_FILE, ours, plain),
    {
      name: "the file",
      value: ours[0]!.fileBytes,
      unit: "bytes",
      reference: plain[0]!.fileBytes,
      ratio: plain[0]!.fileBytes / ours[0]!.fileBytes,
    },
  ]);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Each of a stretch of time that overlaps with its neighbours', as files of several partitions do. */
async function writeFiles(): Promise<void> {
  const engine = await openEngine({ memoryBytes: 500_000_000, threads: 1 });
  mkdirSync(join(folder, "files"));
  await engine.run("SELECT setseed(0.5)");
  for (let file = 0; file < FILES; file++)
    await engine.run(
      `COPY (SELECT uuid()::VARCHAR AS event_id,
        TIMESTAMPTZ '2026-01-01 00:00:00Z'
          + to_milliseconds((${file} * 600000 + random() * 900000)::BIGINT) AS event_time,
        TIMESTAMPTZ '2026-01-01 00:00:00Z'
          + to_milliseconds(${file} * 600000 + i) AS ingest_time,
        ${file % 4}::BIGINT AS log_partition, (${file} * ${ROWS_PER_FILE} + i)::BIGINT AS log_offset,
        'c-' || (random() * 1000000)::BIGINT AS customer, ['ID', 'DE', 'FR', 'IT'][1 + (random() * 3)::INT] AS country,
        (random() * 1000)::DECIMAL(12,2) AS total, (random() * 10)::BIGINT AS quantity, random() < 0.5 AS paid,
        'note ' || md5(i::VARCHAR) || repeat('n', (random() * 50)::INT) AS note, NULL::VARCHAR AS extra
        FROM range(${ROWS_PER_FILE}) AS r(i))
        TO '${join(folder, "files", `${String(file).padStart(4, "0")}.parquet`)}' (FORMAT parquet, COMPRESSION zstd)`,
    );
  engine.closeSync();
}
