/** An index of a search engine, as the target of a delivery, and which document a row is there. */
import { z } from "zod";
import { SEARCH_NAME } from "./search-address.ts";

export const searchTargetSchema = z
  .strictObject({
    /** Name in the configuration's `elasticsearch`. */
    target: z.string().regex(SEARCH_NAME, "1 to 63 of a-z, 0-9, - and _"),
    /** Name of the index; with `time` what comes before `-2026.11.22`. */
    index: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,199}$/, "1 to 200 of a-z, 0-9, ., _ and -"),
    /** Rows with the same values in these columns are one document, the one that was accepted last. */
    key: z.array(z.string().min(1).max(255)).min(1).max(32).optional(),
    /** An index for each day or month of a column's time. */
    time: z
      .strictObject({
        column: z.string().min(1).max(255).default("event_time"),
        unit: z.enum(["day", "month"]).default("day"),
        /** Indices that ended longer ago than this are deleted. */
        retention_days: z.int().min(1).max(36_500).optional(),
      })
      .optional(),
  })
  .refine(({ key, time }) => key === undefined || time === undefined, {
    path: ["key"],
    message: "a key finds its document in one index: without time",
  })
  .refine(({ key }) => new Set(key).size === (key?.length ?? 0), {
    path: ["key"],
    message: "a column twice",
  });

export type SearchTarget = z.infer<typeof searchTargetSchema>;
