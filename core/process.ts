/**
 * A business process: which events are steps of which case, and what is to be watched of them. It is data; each of its
 * rules becomes a job (lake/process/rule-text.ts), and cases are told from the lake (lake/process/case-text.ts).
 */
import { z } from "zod";
import { checkProcess } from "./process-check.ts";
import {
  activitySchema,
  completionSchema,
  deadlineSchema,
  duration,
  processName,
  SECOND_MS,
  velocitySchema,
} from "./process-parts.ts";

const ACTIVITIES_MAX = 50;
const RULES_MAX = 50;

const rules = <Schema extends z.ZodType>(schema: Schema) => z.record(processName, schema).default({});

export const processRequestSchema = z
  .strictObject({
    name: processName,
    description: z.string().max(2_000).default(""),
    /** For so long results wait for late events. */
    lateness: z
      .union([z.literal("0 seconds"), duration(SECOND_MS)])
      .default("0 seconds")
      .describe('like "1 hour"'),
    /** In the order in which a case goes through them. */
    activities: z.record(processName, activitySchema).refine((given) => {
      const { length } = Object.keys(given);
      return length >= 1 && length <= ACTIVITIES_MAX;
    }, `1 to ${ACTIVITIES_MAX} activities`),
    deadlines: rules(deadlineSchema),
    completions: rules(completionSchema),
    velocities: rules(velocitySchema),
  })
  .superRefine((declared, context) => {
    const { deadlines, completions, velocities } = declared;
    const given = [deadlines, completions, velocities].flatMap((kind) => Object.keys(kind)).length;
    if (given > RULES_MAX)
      context.addIssue({ code: "custom", path: ["deadlines"], message: `at most ${RULES_MAX} rules` });
    for (const { path, message } of checkProcess(declared))
      context.addIssue({ code: "custom", path: [...path], message });
  });

export type ProcessDeclaration = z.infer<typeof processRequestSchema>;

/** What the registry keeps under its name. */
export interface Process {
  readonly declaration: ProcessDeclaration;
  readonly by: string;
  readonly createdMs: number;
}

/** Name of a rule's job, and of the table with its results. */
export function ruleTable(process: string, rule: string): string {
  return `process.${process}.${rule}`;
}

/** The tables that its activities read, each once. */
export function processTables({ activities }: Pick<ProcessDeclaration, "activities">): readonly string[] {
  return [...new Set(Object.values(activities).map(({ from }) => from))];
}
