/** For processes that may be ended before any other when memory runs out, and that leave the CPU to landing. */
import fs from "node:fs";
import os from "node:os";

/** @param niceness 1 to 19 */
export function stepBack(niceness: number): void {
  try {
    os.setPriority(niceness);
    fs.writeFileSync("/proc/self/oom_score_adj", "1000");
  } catch {
    // Not on this system, or already done by who started it: the limits that the parent enforces do not need it.
  }
}
