/** A process that appends for ever and prints every acknowledgement: for the kill and lock tests. */
import process from "node:process";
import { openFileLog } from "../../../adapters/file/log.ts";
import { systemClock, systemRandomness } from "../../../core/clock.ts";
import { silentLogger } from "../../../core/logger.ts";
import { packRecords } from "../../../core/record.ts";

const [directory, round] = process.argv.slice(2);
const log = await openFileLog({
  directory: directory!,
  clock: systemClock,
  randomness: systemRandomness,
  logger: silentLogger,
  segmentBytes: 100_000,
});
await log.createStream("s", { partitions: 3, cleanup: "delete", retentionMs: 1e12 });
process.stdout.write(`open ${process.pid}\n`);

/** One after the other per partition, so that the order of the acknowledgements is the order of the log. */
async function write(partition: number): Promise<void> {
  for (let i = 0; ; i++) {
    const texts = [0, 1, 2].map((part) => `${round}.${partition}.${i}.${part} ${"x".repeat((i * 7) % 400)}`);
    const batch = packRecords(texts.map((text) => ({ payload: Buffer.from(text) })));
    const { baseOffset } = await log.append("s", partition, batch);
    process.stdout.write(`${partition} ${baseOffset} ${round}.${partition}.${i}\n`);
  }
}

await Promise.all([write(0), write(1), write(2)]);
