/**
 * The process that is killed at every system call: appends, lands, projects, removes old segments, and says on
 * stdout what it was promised. `node victim.ts DIRECTORY ROUND`
 *
 *   acknowledged PARTITION OFFSET N N …     the log acknowledged these events from this offset on
 *   landed                         landing and projections had everything so far
 *   done
 */
import process from "node:process";
import { eventOf, openWhole, PARTITIONS } from "./whole.ts";

const STEPS = 3;
const [directory, round] = process.argv.slice(2);
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const whole = await openWhole(directory!);
const first = Number(round) * 1_000;
for (let step = 0; step < STEPS; step++) {
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const own = first + step * 10 + partition * 3;
    // The last of each batch was sent before, in the same round and the one before it: a duplicate.
    const numbers = [own, own + 1, own + 2, step > 0 ? own - 10 : Math.max(0, own - 1_000)];
    const offset = await whole.append(partition, numbers.map(eventOf));
    say(`acknowledged ${partition} ${offset} ${numbers.join(" ")}`);
  }
  if (step === 1) await whole.append(0, [`{"metadata":{"eid":"nonsense"},"n":${first}}`]);
  await whole.land();
  say("landed");
  if (step === 1) await whole.log.retain();
}
await whole.close();
say("done");
