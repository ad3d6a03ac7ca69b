/** The short form of `npm run proof:bpic`: some cases of the file, or of a generated one where it is not there. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../services/muara.ts";
import { BPIC_FILE, hasBpicFile, writeBpicLike } from "./bpic-file.ts";
import { runBpic } from "./bpic.ts";

const CASES = 500;
const PARTS = 25;

test(
  "what a process tells of real cases is what a query over the file tells",
  { timeout: 180_000 },
  async () => {
    const folder = await temporaryFolder("bpic");
    const file = join(folder.path, "purchases.parquet");
    if (!hasBpicFile()) await writeBpicLike(file, CASES);
    const options = hasBpicFile() ? { file: BPIC_FILE, parts: PARTS } : { file, parts: 1 };
    const { events, dirty, questions, commits, restarts } = await runBpic({ ...options, seed: 7 });
    await folder.remove();
    // The replay has compared everything; here is what it must have met to be worth something.
    expect(events).toBeGreaterThan(2_000);
    expect(Math.min(dirty.past, dirty.future)).toBeGreaterThan(1);
    expect(commits).toBeGreaterThan(2);
    expect(restarts).toBeGreaterThanOrEqual(0);
    for (const { cases, met } of Object.values(questions)) {
      expect(met).toBeGreaterThan(10);
      expect(cases - met).toBeGreaterThan(10);
    }
    expect(questions["invoice_recorded"]!.late).toBeGreaterThan(0);
  },
);
