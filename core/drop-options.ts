/** What is declared of a drop detector. Defaults are those that `docs/proofs/drops.md` has figures of. */
import { z } from "zod";
import { isPartOfDay, WEEKDAYS } from "./week-slot.ts";

const HOUR_MS = 3_600_000;
const HOLIDAYS_MAX = 1_000;
const isoDate = z.iso.date();

export const dropOptionsSchema = z
  .strictObject({
    windowMs: z.int().refine(isPartOfDay, "whole minutes that divide a day").default(300_000),
    timeZone: z.string().max(64).refine(isTimeZone, "a name of the IANA database").default("UTC"),
    holidays: z
      .record(isoDate, z.enum([...WEEKDAYS, "none"]))
      .refine((days) => Object.keys(days).length <= HOLIDAYS_MAX, `at most ${HOLIDAYS_MAX} dates`)
      .default({})
      .describe("local date → the weekday that it runs like; none: it is not judged"),
    weeks: z.int().min(3).max(26).default(6).describe("of which the median is taken"),
    z: z.number().min(1).max(20).default(4).describe("spreads below what is expected"),
    minDrop: z.number().min(0).max(1).default(0.3).describe("share of what is expected that must be missing"),
    minExpected: z.number().min(1).default(10).describe("less than this is not judged"),
    hits: z.int().min(1).max(60).default(2),
    of: z.int().min(1).max(60).default(3).describe("closed windows of which `hits` must be low"),
    levelMs: z
      .int()
      .min(0)
      .max(24 * HOUR_MS)
      .default(3 * HOUR_MS)
      .describe("before the judged windows; how much there is today in relation to other weeks"),
    levelMin: z.number().min(0.01).max(1).default(0.5),
    levelMax: z.number().min(1).max(100).default(1.25),
    reachMs: z
      .int()
      .min(0)
      .max(24 * HOUR_MS)
      .default(12 * HOUR_MS)
      .describe("longest run of windows that is judged as one; what is rare needs long ones"),
  })
  .refine(({ hits, of }) => hits <= of, { path: ["hits"], message: "at most `of`" });

export type DropOptions = z.infer<typeof dropOptionsSchema>;

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat("en-GB", { timeZone: name }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}
