/** A declared process as the jobs of its rules, each planned as any job is; what is refused names its field. */
import { hasCode, MuaraError } from "../core/errors.ts";
import type { ProcessDeclaration } from "../core/process.ts";
import type { Activity } from "../core/process-parts.ts";
import type { JobPlan } from "../lake/job/plan.ts";
import { casesOf, fieldText, isOfActivity } from "../lake/process/activity-text.ts";
import { ruleTexts, type RuleText } from "../lake/process/rule-text.ts";
import { quoteName } from "../lake/query/quote.ts";
import type { ApiContext, ApiPorts } from "./context.ts";
import { planned } from "./job-request.ts";

export interface PlannedRule extends RuleText {
  readonly plan: JobPlan;
}

/** @throws process.refused naming the field, auth.forbidden */
export async function planProcess(
  ports: ApiPorts,
  context: ApiContext,
  process: ProcessDeclaration,
): Promise<readonly PlannedRule[]> {
  const isTaken = async (text: string): Promise<MuaraError | undefined> => {
    try {
      await planned(ports, context, text);
      return undefined;
    } catch (error) {
      if (hasCode(error, "job.refused")) return error;
      throw error;
    }
  };
  for (const [name, activity] of Object.entries(process.activities)) {
    const pieces = piecesOf(activity);
    if (
      !(await isTaken(
        jobOf(
          activity,
          pieces.map(({ sql }) => sql),
          isOfActivity(activity),
        ),
      ))
    )
      continue;
    for (const { path, sql } of [{ path: "from", sql: "event_id" }, ...pieces]) {
      const refusal = await isTaken(jobOf(activity, [sql], "true"));
      if (refusal) throw refused(`/activities/${name}/${path}`, refusal);
    }
    const when = await isTaken(jobOf(activity, [], isOfActivity(activity)));
    if (when) throw refused(`/activities/${name}/when`, when);
  }
  const rules: PlannedRule[] = [];
  for (const rule of ruleTexts(process)) {
    try {
      const { plan } = await planned(ports, context, rule.text);
      rules.push({ ...rule, plan });
    } catch (error) {
      throw hasCode(error, "job.refused") ? refused(rule.pointer, error) : error;
    }
  }
  return rules;
}

function piecesOf(activity: Activity): readonly { readonly path: string; readonly sql: string }[] {
  const { fields } = activity;
  return [
    { path: activity.case === undefined ? "cases" : "case", sql: casesOf(activity) },
    ...Object.entries(fields).map(([name, field]) => ({ path: `fields/${name}`, sql: fieldText(field) })),
  ];
}

/** Row by row, of no use but to be planned. */
function jobOf({ from }: Activity, pieces: readonly string[], condition: string): string {
  const columns = ["event_id", ...pieces.map((sql, i) => `CAST(to_json(${sql}) AS VARCHAR) AS piece_${i}`)];
  const select = `SELECT ${columns.join(", ")} FROM ${quoteName(from)} WHERE ${condition}`;
  return `CREATE JOB looked_at AS ${select} EMIT ON WINDOW CLOSE INTO lake looked_at;`;
}

function refused(pointer: string, { message, details }: MuaraError): MuaraError {
  const isRule = !pointer.startsWith("/activities");
  // The place is of a text that nobody has written.
  const reason = isRule ? message : message.replace(/^Line \d+, column \d+: /, "");
  return new MuaraError("process.refused", `${pointer}: ${reason}`, { details: { ...details, pointer } });
}
