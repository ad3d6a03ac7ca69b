/**
 * What a feed of extracts declares: which rows, cut into which windows, in which order, checked how, kept how long.
 * It is part of the configuration, so that a feed is reviewed like code. What can only be known with the tables at
 * hand (columns and their types) is judged by lake/extract.
 */
import { z } from "zod";

const NAME = /^[a-z][a-z0-9_]{0,62}$/;
const column = z.string().min(1).max(255);
const severity = z.enum(["error", "warning"]).default("error");

const checkSchema = z.union([
  z.strictObject({ notNull: z.array(column).min(1), severity }),
  z.strictObject({ unique: z.array(column).min(1), severity }),
  z.strictObject({
    rows: z.strictObject({ min: z.int().nonnegative().optional(), max: z.int().nonnegative().optional() }),
    severity,
  }),
  /** One number from `extract`, the rows of the window; it holds where that is 0. */
  z.strictObject({ name: z.string().min(1).max(100), sql: z.string().min(1).max(65_536), severity }),
]);

export const feedSchema = z
  .strictObject({
    description: z.string().max(2_000).default(""),
    owner: z.string().max(200).default(""),
    /** Of the contract that the consumers hold; semantic versioning. */
    version: z
      .string()
      .regex(/^\d+\.\d+\.\d+$/, "is like 1.0.0")
      .default("1.0.0"),
    sql: z.string().min(1).max(65_536),
    kind: z.enum(["replace_partition", "append"]).default("replace_partition"),
    window: z.enum(["day", "hour"]).default("day"),
    /** A column of the result: a timestamp, or a date where windows are days. */
    time: column,
    /** What the rows are sorted by; all other columns come after it, so that the order is total. */
    key: z.array(column).min(1),
    /** A column whose sum is a control total (integers and decimals: their sums are exact), or `distinct COLUMN`. */
    totals: z.array(z.string().regex(/^(?:distinct )?[^"]{1,255}$/)).default([]),
    checks: z.array(checkSchema).default([]),
    /** For so long a version, and the files that it names, stay, days. */
    retentionDays: z.int().min(1).max(36_500).default(90),
    /** A window is revised until it ended so long ago; then it is final, days. */
    reviseDays: z.int().min(1).max(36_500).default(90),
    columns: z
      .record(
        column,
        z.strictObject({
          description: z.string().max(2_000).optional(),
          /** Characters, where a target asks for a bound. */
          length: z.int().positive().max(65_535).optional(),
        }),
      )
      .default({}),
  })
  .refine(({ totals, checks }) => new Set(totals).size === totals.length && checks.length <= 100, {
    message: "a total is named twice, or there are more than 100 checks",
  });

export const feedsSchema = z.record(z.string().regex(NAME, "is like orders_daily"), feedSchema);

export type FeedDeclaration = z.infer<typeof feedSchema>;
export type FeedCheck = FeedDeclaration["checks"][number];
export type WindowKind = FeedDeclaration["window"];

/** A declared feed with its name. */
export interface Feed extends FeedDeclaration {
  readonly name: string;
}

export function feedsOf(declared: Readonly<Record<string, FeedDeclaration>>): readonly Feed[] {
  return Object.entries(declared).map(([name, declaration]) => ({ ...declaration, name }));
}
