/** What is asked of a job's values: its sums must be exact, and its rows hold what the CHECKs say. */
import { quoteName, quoteText } from "../query/quote.ts";
import { conditionTexts, judgeCondition } from "../query/row-condition.ts";
import type { Analysis } from "./analysis.ts";
import { inputOf } from "./analysis.ts";
import type { JobText } from "./job-text.ts";
import { VIOLATION_COLUMNS } from "./plan.ts";
import type { PlanningEngine } from "./planning-engine.ts";
import { JobRefused } from "./refusal.ts";
import { byteOf, functionName, walk } from "./tree.ts";

const SUMS = new Set(["sum", "avg", "mean"]);
/** Types whose sum is the same in whatever order. */
const EXACT =
  /^(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT|UTINYINT|USMALLINT|UINTEGER|UBIGINT|DECIMAL|BOOLEAN|NULL)/;

/** @param release the SELECT as it runs @throws JobRefused where a sum or mean of doubles is in it */
export async function checkSums({ engine, at, tree }: Analysis, release: string): Promise<void> {
  const calls = await engine.boundCalls(release).catch((error: unknown) => {
    throw new JobRefused(at(null), `The engine cannot say how it understands this: ${String(error)}`);
  });
  for (const { name, types, argument } of calls) {
    if (!SUMS.has(name.toLowerCase()) || types.every((type) => EXACT.test(type))) continue;
    const named = [...walk(tree)].filter((node) => functionName(node) === name.toLowerCase());
    const written = named.find((node) => JSON.stringify(node).includes(JSON.stringify(argument))) ?? named[0];
    const what = argument ? ` ("${argument}")` : "";
    throw new JobRefused(
      at(written ? byteOf(written) : null),
      `${name}() of ${types.join(", ")}${what} depends on the order of rows.`,
      `${name}(CAST(${argument || "x"} AS DECIMAL(18, 4)))`,
    );
  }
}

/** Columns that the CHECKs need, lower case; none where there are none. @throws JobRefused */
export async function checkedColumns(
  { checks }: JobText,
  engine: PlanningEngine,
): Promise<readonly string[]> {
  const columns: string[] = checks.length > 0 ? VIOLATION_COLUMNS.map(({ name }) => name) : [];
  for (const { condition } of checks) {
    const [bare, wrapped] = conditionTexts(condition.text);
    const judged = judgeCondition(await engine.serialize(bare), await engine.serialize(wrapped));
    if (judged.kind === "refused") throw new JobRefused(condition.at, `Not allowed: ${judged.reason}.`);
    columns.push(...judged.columns);
  }
  return columns;
}

/** @throws JobRefused */
export async function violationsOf({ job, inputs, engine }: Analysis): Promise<readonly string[]> {
  const selects: string[] = [];
  for (const { name, table, condition, at } of job.checks) {
    const index =
      table === null ? (inputs.length === 1 ? 0 : undefined) : inputOf(inputs, table.toLowerCase());
    if (index === undefined)
      throw new JobRefused(
        at,
        "It is not said of which table's rows this CHECK is.",
        `CHECK ${name} ON "table" (…)`,
      );
    const { table: input, columns } = inputs[index]!;
    const list = VIOLATION_COLUMNS.slice(2).map((column) => {
      const own = columns.find((known) => known.name === column.name);
      return `CAST(${own ? quoteName(own.name) : "NULL"} AS ${column.type}) AS ${column.name}`;
    });
    const select = `SELECT ${quoteText(name)} AS check_name, ${quoteText(input.names[0]!)} AS input, ${list.join(", ")}
      FROM new_${index} WHERE NOT (${condition.text}\n)`;
    await engine.describeWritten(select, condition.at);
    selects.push(select);
  }
  return selects;
}
