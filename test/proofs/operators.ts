/**
 * The long run of the operators' histories against their models, so many of each kind:
 * `npx node test/proofs/operators.ts [histories] [seed]`. Prints what they met; exits with 1 and
 * the seed at the first difference.
 */
import process from "node:process";
import { seededRandomness } from "../../core/clock.ts";
import { Dice } from "../core-as/documents.ts";
import { emptyTally, live } from "../core-as/pane-history.ts";
import { liveReorder, noReorderCounts } from "../core-as/reorder-histories.ts";
import { testKernel } from "../core-as/support.ts";
import { TimerLife, leaveRoom, noTimerCounts } from "../core-as/timer-histories.ts";

const histories = Number(process.argv[2] ?? 20_000);
const first = Number(process.argv[3] ?? 1);
const PAGE_BYTES = 65_536;

/** @param one a history; `isFresh` now and then, so that a kernel does not get old */
function run(
  name: string,
  counts: object,
  one: (dice: Dice, context: string, isFresh: boolean) => void,
): void {
  const before = process.cpuUsage().user;
  for (let seed = first; seed < first + histories; seed++)
    one(new Dice(seededRandomness(seed)), `${name}, seed ${seed}`, (seed - first) % 500 === 0);
  const seconds = Math.round((process.cpuUsage().user - before) / 1e6);
  console.log(
    `${name}: ${histories} histories from seed ${first} in ${seconds} s, ${JSON.stringify(counts)}`,
  );
}

let kernel = testKernel();
const reorder = noReorderCounts();
run("reorder", reorder, (dice, context, isFresh) => {
  if (isFresh) kernel = testKernel();
  liveReorder(kernel, dice, context, false, reorder);
});
const reorderShort = noReorderCounts();
run("reorder, short of memory", reorderShort, (dice, context) => {
  const short = testKernel({ maxMemoryBytes: (2 + dice.roll(6)) * PAGE_BYTES });
  liveReorder(short, dice, context, true, reorderShort);
});
const timers = noTimerCounts();
run("timers", timers, (dice, context, isFresh) => {
  if (isFresh) kernel = testKernel();
  new TimerLife(kernel, dice, context, false, timers).live();
});
const timersShort = noTimerCounts();
run("timers, short of memory", timersShort, (dice, context) => {
  const short = testKernel({ maxMemoryBytes: 4 * PAGE_BYTES });
  leaveRoom(short, 2 + dice.roll(4));
  new TimerLife(short, dice, context, true, timersShort).live();
});
const panes = emptyTally();
run("panes", panes, (dice, context, isFresh) => {
  if (isFresh) kernel = testKernel();
  live(kernel, dice, context, panes);
});
