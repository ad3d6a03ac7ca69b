/**
 * From Kafka into a committed table against from the embedded log: `npm run bench:kafka-land` (`--json` for one
 * object). The same events in the same requests (land-log.ts), the same landing, on a real broker of one's own; CPU
 * time of the landing process alone, runs interleaved, medians. `ROUNDS`, `SETS` (comma between).
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { startKafka } from "../test/services/kafka.ts";
import { SETS, type SetName, writeLines } from "./encoder-lines.ts";
import { openKafkaLog } from "./kafka-log.ts";
import { fillLog } from "./land-log.ts";
import { type Metric, printResult } from "./result.ts";
import { raceRuns, type Run, runOnce } from "./run.ts";

const ROUNDS = Number(process.env["ROUNDS"] ?? 3);
const wanted = process.env["SETS"]?.split(",");
const sets: readonly SetName[] = SETS.filter((set) => wanted === undefined || wanted.includes(set));

const folder = mkdtempSync(join(tmpdir(), "muara-bench-"));
const server = await startKafka();
const metrics: Metric[] = [];
try {
  for (const set of sets) {
    const address = server.freshAddress();
    const rows = writeLines(set, folder);
    await fillLog(set, folder);
    await fillLog(set, folder, await openKafkaLog(address));
    const kafka: Run[] = [];
    const file: Run[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      kafka.push(runOnce("land-run.ts", "land", set, folder, address));
      file.push(runOnce("land-run.ts", "land", set, folder));
    }
    metrics.push(raceRuns(`${set}: Kafka to a committed table, against the embedded log`, rows, kafka, file));
  }
} finally {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
}
printResult("kafka-land", metrics);
