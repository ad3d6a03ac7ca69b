import { expect, test } from "vitest";
import { processRequestSchema, processTables, ruleTable } from "../../core/process.ts";
import { durationMs } from "../../core/process-parts.ts";
import { pieceProblem } from "../../core/sql-piece.ts";

const GOOD = {
  name: "shop",
  activities: {
    ordered: { from: "shop.order", case: "number", fields: { parcels: "parcels", ids: "ids" } },
    shipped: { from: "shop.parcel", cases: "numbers", fields: { parcel: "id" } },
  },
  deadlines: { in_time: { from: "ordered", to: "shipped", within: "48 hours" } },
  completions: {
    all_shipped: { anchor: "ordered", parts: "shipped", part: "parcel", needed: "parcels", within: "7 days" },
  },
  velocities: { orders: { activity: "ordered", window: "5 minutes" } },
};

/** `pointer: message` of all that is wrong. */
function problems(change: (declared: typeof GOOD & Record<string, unknown>) => void): readonly string[] {
  const declared = structuredClone(GOOD) as typeof GOOD & Record<string, unknown>;
  change(declared);
  const { error } = processRequestSchema.safeParse(declared);
  return (error?.issues ?? []).map(({ path, message }) => `/${path.join("/")}: ${message}`);
}

type Changed = Parameters<Parameters<typeof problems>[0]>[0];
const anyOf = (value: object): Record<string, unknown> => value as Record<string, unknown>;

test("a declaration is taken with its defaults", () => {
  const parsed = processRequestSchema.parse(GOOD);
  expect(parsed.lateness).toBe("0 seconds");
  expect(parsed.deadlines["in_time"]).toMatchObject({ carry: [], emit: "all" });
  expect(Object.keys(parsed.activities)).toEqual(["ordered", "shipped"]);
  expect(processTables(parsed)).toEqual(["shop.order", "shop.parcel"]);
  // The longest names still make the name of a job.
  expect(ruleTable("a".repeat(27), "b".repeat(27))).toHaveLength(63);
});

const WRONG: readonly (readonly [string, (declared: Changed) => void])[] = [
  ["/name: 1 to 27 of a-z, 0-9 and _, a letter first", (d) => (d.name = "a".repeat(28))],
  ["/lateness: ", (d) => (d["lateness"] = "40 days")],
  [
    "/activities: 1 to 50 activities",
    (d) => Object.assign(d, { activities: {}, deadlines: {}, completions: {}, velocities: {} }),
  ],
  ["/activities/ordered/case: one of case and cases", (d) => (anyOf(d.activities.ordered)["cases"] = "x")],
  ["/activities/ordered/case: no SQL expression: it is empty", (d) => (d.activities.ordered.case = " ")],
  [
    "/activities/ordered/when: no SQL expression: a ) closes nothing",
    (d) => (anyOf(d.activities.ordered)["when"] = "a) OR (b"),
  ],
  [
    "/activities/ordered/fields/event_time: every row has such a column already",
    (d) => (anyOf(d.activities.ordered.fields)["event_time"] = "x"),
  ],
  [
    "/activities/shop_order: it has the name of a table that the process reads",
    (d) => (anyOf(d.activities)["shop_order"] = d.activities.ordered),
  ],
  [
    '/deadlines/in_time/to: there is no activity "shiped"; there are ordered, shipped',
    (d) => (d.deadlines.in_time.to = "shiped"),
  ],
  [
    '/deadlines/in_time/carry/0: the activity "ordered" has no field "parcel"',
    (d) => (anyOf(d.deadlines.in_time)["carry"] = ["parcel"]),
  ],
  [
    '/deadlines/in_time/carry/1: "ids" is named twice',
    (d) => (anyOf(d.deadlines.in_time)["carry"] = ["ids", "ids"]),
  ],
  [
    '/deadlines/in_time/within: a duration like "48 hours", from 1 seconds to 31 days',
    (d) => (d.deadlines.in_time.within = "32 days"),
  ],
  [
    '/deadlines/in_time/within: a duration like "48 hours", from 1 seconds to 31 days',
    (d) => (d.deadlines.in_time.within = "0 seconds"),
  ],
  [
    '/completions/all_shipped/part: the activity "shipped" has no field "ids"',
    (d) => (d.completions.all_shipped.part = "ids"),
  ],
  [
    '/completions/all_shipped/needed: the activity "ordered" has no field "many"',
    (d) => (d.completions.all_shipped.needed = "many"),
  ],
  [
    "/completions/all_shipped/needed: one of needed and expected",
    (d) => (anyOf(d.completions.all_shipped)["expected"] = "ids"),
  ],
  [
    "/completions/in_time: another rule of the process has this name",
    (d) => (anyOf(d.completions)["in_time"] = d.completions.all_shipped),
  ],
  [
    "/velocities/orders/every: no longer than the window",
    (d) => (anyOf(d.velocities.orders)["every"] = "6 minutes"),
  ],
  [
    '/velocities/orders/by/0: the activity "ordered" has no field "country"',
    (d) => (anyOf(d.velocities.orders)["by"] = ["country"]),
  ],
  [
    "/velocities/orders/measures/events: the result has such a column already",
    (d) => (anyOf(d.velocities.orders)["measures"] = { events: { of: "parcels", is: "sum" } }),
  ],
  [
    '/velocities/orders/measures/most/of: the activity "ordered" has no field "nothing"',
    (d) => (anyOf(d.velocities.orders)["measures"] = { most: { of: "nothing", is: "max" } }),
  ],
];

test.each(WRONG)("refused: %s", (expected, change) => {
  const found = problems(change);
  expect(
    found.some((problem) => problem.startsWith(expected)),
    JSON.stringify(found),
  ).toBe(true);
});

test("an unknown key is refused", () => {
  expect(problems((declared) => (declared["deadline"] = {}))[0]).toMatch(/deadline/);
});

test("durations at their edges", () => {
  const texts = [
    "1 second",
    "31 days",
    "44640 minutes",
    "2 weeks",
    "1 hours",
    "1.5 hours",
    "-1 days",
    "day",
    "1 year",
  ];
  expect(texts.map(durationMs)).toEqual([
    1_000,
    2_678_400_000,
    2_678_400_000,
    1_209_600_000,
    3_600_000,
    ...Array.from({ length: 4 }),
  ]);
});

test("a piece of SQL cannot end its parentheses", () => {
  for (const good of ["a", "f(a, ')')", "\"odd ) name\" = 'it''s'", "[1, (2)]", "a -> '$.b'", "a - -1"])
    expect([good, pieceProblem(good)]).toEqual([good, undefined]);
  for (const bad of ["a)", "(a", "a; b", "a -- b", "a /* b */", "'a", '"a', "[a)", "$$a$$", "$1", ""])
    expect([bad, pieceProblem(bad)]).not.toEqual([bad, undefined]);
});
