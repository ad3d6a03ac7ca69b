/**
 * One of several processes that append to the same streams: `racing-writer.ts ADDRESS NAME BATCHES START_MS`, all
 * beginning at the same time. Some batches are
 * sent twice under their producer's sequence, as after a lost answer. Prints what the log answered as JSON.
 */
import process from "node:process";
import { parseS3Address, s3Credentials } from "../../../adapters/s3/address.ts";
import { openS3Log } from "../../../adapters/s3/log.ts";
import { createS3ObjectStore } from "../../../adapters/s3/object-store.ts";
import { systemClock, systemRandomness } from "../../../core/clock.ts";
import { DELETE, textBatch } from "../../conformance/log-harness.ts";

const IN_FLIGHT = 4;

const [, , address, name, batches, startMs] = process.argv;
const credentials = s3Credentials(process.env);
const store = createS3ObjectStore({ address: parseS3Address(address!), credentials });
const log = await openS3Log({ store, clock: systemClock, randomness: systemRandomness });
await log.createStream("s", DELETE);

await systemClock.sleep(Number(startMs) - systemClock.nowMs());
const answers: { text: string; partition: number; baseOffset: number }[] = [];
const runLane = async (lane: number): Promise<void> => {
  for (let sequence = 0; sequence < Number(batches); sequence++) {
    const producer = { id: `${name}.${lane}`, epoch: 0, sequence };
    const text = `${name}.${lane}.${sequence}`;
    const batch = textBatch(`${text}.a`, `${text}.b`);
    const partition = lane % 2;
    const append = log.append("s", partition, batch, producer);
    const again = sequence % 5 === 0 ? log.append("s", partition, batch, producer) : append;
    const [first, second] = await Promise.all([append, again]);
    if (first.baseOffset !== second.baseOffset) throw new Error(`${text} has two places`);
    answers.push({ text, partition, baseOffset: first.baseOffset });
  }
};
await Promise.all(Array.from({ length: IN_FLIGHT }, (_, i) => runLane(i)));
await log.close();
process.stdout.write(JSON.stringify(answers));
