/** What a declared process is made of: its steps, and what may be watched of them. */
import { z } from "zod";
import { pieceProblem } from "./sql-piece.ts";

export const SECOND_MS = 1_000;
const UNIT_MS: Readonly<Record<string, number>> = {
  second: SECOND_MS,
  minute: 60 * SECOND_MS,
  hour: 3_600 * SECOND_MS,
  day: 86_400 * SECOND_MS,
  week: 604_800 * SECOND_MS,
};
const DURATION = /^(\d{1,7}) (second|minute|hour|day|week)s?$/;
const DAYS_MAX = 31;
const SQL_LENGTH_MAX = 4_096;
const FIELDS_MAX = 50;

/** Letters that leave room for `process.` and a dot in the 64 of a job's name. */
const NAME = /^[a-z][a-z0-9_]{0,26}$/;
export const processName = z.string().regex(NAME, "1 to 27 of a-z, 0-9 and _, a letter first");

/** @returns undefined for anything but a duration like `48 hours` */
export function durationMs(text: string): number | undefined {
  const match = DURATION.exec(text);
  return match ? Number(match[1]) * UNIT_MS[match[2]!]! : undefined;
}

export const duration = (minMs: number): z.ZodString =>
  z.string().refine(
    (text) => {
      const ms = durationMs(text);
      return ms !== undefined && ms >= minMs && ms <= DAYS_MAX * UNIT_MS["day"]!;
    },
    `a duration like "48 hours", from ${minMs / SECOND_MS} seconds to ${DAYS_MAX} days`,
  );

const piece = z
  .string()
  .max(SQL_LENGTH_MAX)
  .superRefine((text, context) => {
    const problem = pieceProblem(text);
    if (problem !== undefined) context.addIssue({ code: "custom", message: `no SQL expression: ${problem}` });
  });

/** What a value of the event stands for: `{"of": "country", "values": {"DE": "Europe"}, "otherwise": "elsewhere"}`. */
const lookupSchema = z.strictObject({
  of: piece,
  values: z
    .record(z.string().max(255), z.string().max(255))
    .refine((values) => Object.keys(values).length >= 1 && Object.keys(values).length <= 1_000, {
      message: "1 to 1000 values",
    }),
  /** Of values that are not there; absent: NULL. */
  otherwise: z.string().max(255).optional(),
});

const count = (max: number, what: string): [(given: object) => boolean, string] => [
  (given) => Object.keys(given).length <= max,
  `at most ${max} ${what}`,
];

export const activitySchema = z
  .strictObject({
    /** Event type; of a captured table its changes. */
    from: z.string().min(1).max(255),
    /** Condition on a row; absent: every row. */
    when: piece.optional(),
    /** Expression whose value, as text, names the case. */
    case: piece.optional(),
    /** The same where one event belongs to several cases: a list. */
    cases: piece.optional(),
    /** What rules may refer to: expressions over the row, or lookups. */
    fields: z
      .record(processName, z.union([piece, lookupSchema]))
      .refine(...count(FIELDS_MAX, "fields"))
      .default({}),
  })
  .refine(({ case: one, cases }) => (one === undefined) !== (cases === undefined), {
    path: ["case"],
    message: "one of case and cases",
  });

const field = z.string().regex(NAME, "the name of a field of the activity");
const carry = z.array(field).max(FIELDS_MAX).default([]);

export const deadlineSchema = z.strictObject({
  from: processName,
  to: processName,
  within: duration(SECOND_MS),
  /** Fields of `from` that results have as well. */
  carry,
  /** Which outcomes become rows. */
  emit: z.enum(["all", "met", "breached"]).default("all"),
});

export const completionSchema = z
  .strictObject({
    anchor: processName,
    parts: processName,
    /** Field of the parts by which they are told apart. */
    part: field,
    /** How many distinct parts: a number, or a field of the anchor. */
    needed: z.union([z.int().min(1).max(100_000), field]).optional(),
    /** Field of the anchor with the list of parts; others do not count. */
    expected: field.optional(),
    within: duration(SECOND_MS),
    carry,
    emit: z.enum(["all", "complete", "exceeded"]).default("all"),
  })
  .refine(({ needed, expected }) => (needed === undefined) !== (expected === undefined), {
    path: ["needed"],
    message: "one of needed and expected",
  });

export const velocitySchema = z
  .strictObject({
    activity: processName,
    window: duration(SECOND_MS),
    /** Windows begin at each of these; absent: one behind the other. */
    every: duration(SECOND_MS).optional(),
    /** Fields; a count for each of their values. */
    by: z.array(field).max(10).default([]),
    /** Columns beside `events` and `cases`: an aggregate of a field. */
    measures: z
      .record(
        processName,
        z.strictObject({ of: field, is: z.enum(["sum", "min", "max", "avg", "median", "distinct"]) }),
      )
      .refine(...count(FIELDS_MAX, "measures"))
      .default({}),
    /** Only windows with so many events. */
    at_least: z.int().min(1).max(1_000_000_000).optional(),
  })
  .refine(({ window, every }) => every === undefined || durationMs(every)! <= durationMs(window)!, {
    path: ["every"],
    message: "no longer than the window",
  });

export type Activity = z.infer<typeof activitySchema>;
export type Deadline = z.infer<typeof deadlineSchema>;
export type Completion = z.infer<typeof completionSchema>;
export type Velocity = z.infer<typeof velocitySchema>;
