import { describe, expect, it } from "vitest";
import { splitJob } from "../../../lake/job/job-text.ts";
import { JobRefused, placeOf } from "../../../lake/job/refusal.ts";

const refusedAt = (source: string): { line: number; column: number; reason: string } => {
  try {
    splitJob(source);
  } catch (error) {
    if (error instanceof JobRefused) return { ...placeOf(source, error.at ?? 0), reason: error.message };
    throw error;
  }
  throw new Error("not refused");
};

describe("a job's file", () => {
  it("is split into its parts, whatever stands in texts, names and comments", () => {
    const select = `SELECT 'emit on window close into' AS a, "check" /* emit /* on */ window */, $$ check ( $$,
      e'it\\'s (',
      -- check ( emit on window close
      emit FROM t WHERE (b IN (1, 2))`;
    const source = `-- a job; of ours
create job "orders.hourly" with (lateness = '5 minutes', other='it''s') as
${select}
check pos (n > 0 and (m) = ')'), named on "shop.order" (k is not null)
emit on window close into lake "orders.hourly", postgres ods ;
`;
    const job = splitJob(source);
    expect(job.name).toBe("orders.hourly");
    expect(job.options.map(({ name, value }) => [name, value])).toEqual([
      ["lateness", "5 minutes"],
      ["other", "it's"],
    ]);
    expect(job.select).toEqual({ text: select, at: source.indexOf("SELECT") });
    expect(job.checks.map(({ name, table, condition }) => [name, table, condition.text])).toEqual([
      ["pos", null, "n > 0 and (m) = ')'"],
      ["named", "shop.order", "k is not null"],
    ]);
    expect(job.sinks.map(({ kind, name }) => [kind, name])).toEqual([
      ["lake", "orders.hourly"],
      ["postgres", "ods"],
    ]);
  });

  it.each([
    ["CREATE TABLE x", 1, 8, /JOB is missing/],
    ["CREATE JOB 1x AS SELECT 1", 1, 12, /job's name/],
    [`CREATE JOB "a b" AS SELECT 1`, 1, 12, /cannot be a job's name/],
    ["CREATE JOB x\nWITH (a = 5) AS SELECT 1", 2, 11, /text in quotes/],
    ["CREATE JOB x AS EMIT ON WINDOW CLOSE INTO lake y", 1, 17, /no SELECT/],
    ["CREATE JOB x AS SELECT 1", 1, 25, /EMIT ON WINDOW CLOSE is missing/],
    ["CREATE JOB x AS SELECT 1 EMIT ON WINDOW CLOSE", 1, 46, /INTO is missing/],
    ["CREATE JOB x AS SELECT 1 EMIT ON WINDOW CLOSE INTO file y", 1, 52, /no sink "file"/],
    ["CREATE JOB x AS SELECT 1 EMIT ON WINDOW CLOSE INTO postgres y", 1, 52, /one table of the lake/],
    ["CREATE JOB x AS SELECT 1 EMIT ON WINDOW CLOSE INTO lake y, lake z", 1, 52, /one table of the lake/],
    ["CREATE JOB x AS SELECT 1 EMIT ON WINDOW CLOSE INTO lake y; CREATE JOB", 1, 60, /one job/],
    ["CREATE JOB x AS\nSELECT (1 EMIT", 2, 15, /not closed/],
    ["CREATE JOB x AS\nSELECT 1) EMIT", 2, 9, /closes nothing/],
    ["CREATE JOB x AS\nSELECT 'a EMIT", 2, 8, /text does not end/],
    [`CREATE JOB x AS\nSELECT "a EMIT`, 2, 8, /name does not end/],
    ["CREATE JOB x AS\nSELECT /* a /* b */ EMIT", 2, 8, /comment does not end/],
  ])("is refused at its place: %j", (source, line, column, reason) => {
    expect(refusedAt(source)).toEqual({ line, column, reason: expect.stringMatching(reason) as string });
  });
});
