/** ALL_OF and SEQUENCE against models in plain TypeScript, from docs/JOBS.md and nothing else. */
import type { DuckDBConnection } from "@duckdb/node-api";
import * as fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { planJob, type Planned } from "../../../lake/job/plan-job.ts";
import { JobEngine, openEngine, type JobOutcome } from "./job-engine.ts";
import { jobText } from "./job-texts.ts";
import { land, TABLES, worlds, type LandedRow, type World } from "./job-world.ts";

const runs = { numRuns: 30, seed: 8 };
const spans = fc.record({
  withinMs: fc.constantFrom(10_000, 120_000, 600_000, 3_600_000),
  latenessMs: fc.constantFrom(0, 60_000),
});
type Span = { readonly withinMs: number; readonly latenessMs: number };

let planning: DuckDBConnection;
let running: DuckDBConnection;
beforeAll(async () => {
  planning = await openEngine();
  running = await openEngine();
});

const plan = (select: string, latenessMs = 0): Promise<Planned> =>
  planJob(jobText(select, `${latenessMs} milliseconds`), TABLES, planning);

async function live(select: string, { latenessMs }: Span, world: World): Promise<JobOutcome> {
  const planned = await plan(select, latenessMs);
  if (planned.kind === "refused") throw new Error(planned.refusal.reason);
  return new JobEngine(planned.plan, world, running).live();
}

const tableOf = (world: World, table: number): readonly LandedRow[] =>
  land(world).rows.filter((row) => row.table === table);

function isInTime(row: LandedRow, anchorMs: number, { withinMs, latenessMs }: Span): boolean {
  return row.watermarkMs === null || row.watermarkMs < anchorMs + withinMs + latenessMs;
}

/** What an anchor waits for: rows of its key, within its time, that were there before its release. */
function within(anchor: LandedRow, rows: readonly LandedRow[], span: Span): readonly LandedRow[] {
  return rows
    .filter(({ k }) => k !== null && k === anchor.k)
    .filter(({ timeMs }) => timeMs >= anchor.timeMs && timeMs <= anchor.timeMs + span.withinMs)
    .filter((row) => isInTime(row, anchor.timeMs, span));
}

/** When each part came first, in order of time. */
function firstTimes(parts: readonly (readonly [part: string, ms: number])[]): readonly number[] {
  const firsts = new Map<string, number>();
  for (const [part, ms] of parts) firsts.set(part, Math.min(firsts.get(part) ?? Infinity, ms));
  return [...firsts.values()].toSorted((a, b) => a - b);
}

const answer = (id: string, firsts: readonly number[], need: number | null, anchorMs: number): string => {
  const isComplete = need !== null && firsts.length >= need;
  const at = need !== null && need <= 0 ? anchorMs : isComplete ? firsts[need - 1]! : null;
  return JSON.stringify([id, isComplete, at === null ? null : String(at), String(firsts.length)]);
};

const SELECTED = "SELECT event_id, complete, epoch_ms(completed_at) AS at_ms";

describe("ALL_OF", () => {
  it("waits for a number of different parts", async () => {
    let complete = 0;
    await fc.assert(
      fc.asyncProperty(worlds, spans, async (world, span) => {
        const { released } = await live(
          `WITH s AS (SELECT event_time, watermark, k, n AS part FROM shop_shipment) ${SELECTED}, parts
          FROM ALL_OF(shop_order, s, event_time, k, part, n, INTERVAL '${span.withinMs} milliseconds')`,
          span,
          world,
        );
        const parts = tableOf(world, 1).filter(({ n }) => n !== null);
        const model = tableOf(world, 0)
          .filter((anchor) => isInTime(anchor, anchor.timeMs, span))
          .map((anchor) => {
            const found = within(anchor, parts, span).map(({ n, timeMs }) => [String(n), timeMs] as const);
            return answer(anchor.id, firstTimes(found), anchor.n, anchor.timeMs);
          });
        expect(released).toEqual(model.toSorted());
        complete += released.filter((row) => /true,"\d+","[1-9]/.test(row)).length;
      }),
      runs,
    );
    expect(complete).toBeGreaterThan(5);
  });

  it("waits for the parts of a list", async () => {
    let complete = 0;
    await fc.assert(
      fc.asyncProperty(worlds, spans, async (world, span) => {
        const { released } = await live(
          `WITH s AS (SELECT event_time, watermark, k, unnest(tags) AS part FROM shop_shipment) ${SELECTED}, parts
          FROM ALL_OF(shop_order, s, event_time, k, part, tags, INTERVAL '${span.withinMs} milliseconds')`,
          span,
          world,
        );
        const model = tableOf(world, 0)
          .filter((anchor) => isInTime(anchor, anchor.timeMs, span))
          .map((anchor) => {
            const found = within(anchor, tableOf(world, 1), span)
              .flatMap(({ tags, timeMs }) => tags.map((tag) => [tag, timeMs] as const))
              .filter(([tag]) => anchor.tags.includes(tag));
            return answer(anchor.id, firstTimes(found), new Set(anchor.tags).size, anchor.timeMs);
          });
        expect(released).toEqual(model.toSorted());
        complete += released.filter((row) => /true,"\d+","[1-9]/.test(row)).length;
      }),
      runs,
    );
    expect(complete).toBeGreaterThan(5);
  });
});

const KINDS = ["placed", "paid", "sent"];
function kindOf({ n }: LandedRow): string {
  if (n === null || n > 2) return "sent";
  return n < 1 ? "placed" : "paid";
}
/** Of one key, so that they come together more often. */
const EVENTS = `WITH e AS (SELECT event_id, event_time, watermark, CASE WHEN k IS NOT NULL THEN 'x' END AS k,
    CASE WHEN n IS NULL OR n > 2 THEN 'sent' WHEN n < 1 THEN 'placed' ELSE 'paid' END AS kind FROM shop_order)`;

describe("SEQUENCE", () => {
  it("takes of each kind the earliest row at or behind the step before", async () => {
    let complete = 0;
    await fc.assert(
      fc.asyncProperty(worlds, spans, async (world, span) => {
        const { released } = await live(
          `${EVENTS} ${SELECTED}, steps, list_transform(step_times, t -> epoch_ms(t)) AS times FROM SEQUENCE(e,
            event_time, k, kind, ['placed', 'paid', 'sent'], INTERVAL '${span.withinMs} milliseconds')`,
          span,
          world,
        );
        const rows = tableOf(world, 0).map((row) => ({ ...row, k: row.k && "x" }));
        const model = rows
          .filter((row) => kindOf(row) === KINDS[0] && isInTime(row, row.timeMs, span))
          .map((anchor) => {
            const others = within(anchor, rows, span);
            const times = [anchor.timeMs];
            for (const kind of KINDS.slice(1)) {
              const next = others.filter((row) => kindOf(row) === kind && row.timeMs >= times.at(-1)!);
              if (next.length === 0) break;
              times.push(Math.min(...next.map(({ timeMs }) => timeMs)));
            }
            const isComplete = times.length === KINDS.length;
            const at = isComplete ? String(times.at(-1)) : null;
            return JSON.stringify([anchor.id, isComplete, at, String(times.length), times.map(String)]);
          });
        expect(released).toEqual(model.toSorted());
        complete += released.filter((row) => row.includes("true")).length;
      }),
      { ...runs, numRuns: 40 },
    );
    expect(complete).toBeGreaterThan(5);
  });

  it("tells of anchors that came too late, and of other rows with the anchors' times that they missed", async () => {
    const seen = { anchors: 0, others: 0 };
    await fc.assert(
      fc.asyncProperty(worlds, spans, async (generated, span) => {
        const world = { ...generated, history: 0 };
        const { corrections } = await live(
          `${EVENTS} SELECT event_id, complete FROM SEQUENCE(e, event_time, k, kind, ['placed', 'paid'],
            INTERVAL '${span.withinMs} milliseconds')`,
          span,
          world,
        );
        const waitMs = span.withinMs + span.latenessMs;
        const model: unknown[] = [];
        for (const row of tableOf(world, 0)) {
          if (row.watermarkMs === null) continue;
          if (kindOf(row) === "placed" && row.watermarkMs >= row.timeMs + waitMs) {
            model.push([row.id, row.timeMs, row.timeMs + span.withinMs]);
            seen.anchors++;
          }
          const [start, end] = [row.timeMs - span.withinMs, Math.min(row.timeMs, row.watermarkMs - waitMs)];
          if (kindOf(row) === "paid" && start <= end) {
            model.push([row.id, start, end]);
            seen.others++;
          }
        }
        const told = corrections.map((row) => {
          const [, start, end, lateRow] = JSON.parse(row) as [string, string, string, string];
          const { event_id: id } = JSON.parse(lateRow) as { event_id: string };
          return JSON.stringify([id, Date.parse(start), Date.parse(end)]);
        });
        expect(told.toSorted()).toEqual(model.map((one) => JSON.stringify(one)).toSorted());
      }),
      runs,
    );
    expect(seen.anchors).toBeGreaterThan(10);
    expect(seen.others).toBeGreaterThan(10);
  });
});

const WITHIN = "INTERVAL '1 hour'";
const ALL = `ALL_OF(shop_order, shop_shipment, event_time, k, event_id, n, ${WITHIN})`;
const IN_ORDER = `SEQUENCE(shop_order, event_time, k, k, ['a', 'b'], ${WITHIN})`;

const REFUSED: readonly (readonly [select: string, reason: RegExp])[] = [
  [`SELECT event_id FROM ${ALL.replace(", n", "")}`, /arguments/],
  [`SELECT event_id FROM ${ALL.replace("event_time", "event_time + INTERVAL '1 day'")}`, /bare name/],
  [`SELECT event_id FROM ${ALL.replace("'1 hour'", "'1 month'")}`, /INTERVAL/],
  [`SELECT event_id FROM ${ALL.replace("'1 hour'", "'999 milliseconds'")}`, /1 second/],
  [`SELECT event_id FROM ${ALL.replace("'1 hour'", "'31 days 1 second'")}`, /31 days/],
  [`SELECT event_id FROM ${ALL.replace(", n", ", d")}`, /DOUBLE/],
  [`SELECT event_id FROM ${ALL.replace(", event_id", ", nothing")}`, /nothing/],
  [`SELECT event_id FROM ${ALL.replace("event_time", "n")}`, /BIGINT|compare|type/],
  [`SELECT event_id FROM ${ALL.replace("shop_shipment", "nobody")}`, /no table "nobody"/],
  [
    `WITH s AS (SELECT event_time, k, event_id FROM shop_shipment)
    SELECT event_id FROM ${ALL.replace("shop_shipment", "s")}`,
    /watermark/,
  ],
  [
    `WITH o AS (SELECT *, n AS parts FROM shop_order) SELECT event_id FROM ${ALL.replace("shop_order", "o")}`,
    /column parts already/,
  ],
  [`SELECT k, count(*) AS c FROM ${ALL} GROUP BY k`, /different anchors/],
  [`SELECT complete, count(*) AS c FROM ${ALL} GROUP BY complete`, /different anchors/],
  [`SELECT completed_at, count(*) AS c FROM ${ALL} GROUP BY 1`, /different anchors/],
  [`SELECT DISTINCT k FROM ${ALL}`, /DISTINCT/],
  [`SELECT event_id FROM ${ALL} UNION ALL SELECT event_id FROM ${IN_ORDER}`, /one pattern/],
  [
    `WITH p AS (SELECT * FROM ${ALL}) SELECT event_id FROM TUMBLE(p, event_time, ${WITHIN})`,
    /one pattern|window over/,
  ],
  [
    `WITH p AS (SELECT * FROM ${ALL}) SELECT event_id FROM SEQUENCE(p, event_time, k, k, ['a', 'b'], ${WITHIN})`,
    /one pattern/,
  ],
  [`SELECT event_id FROM ${ALL} UNION ALL SELECT event_id FROM shop_order`, /one result/],
  [`SELECT event_id FROM ${IN_ORDER.replace("'a', 'b'", "'a'")}`, /2 to 8/],
  [`SELECT event_id FROM ${IN_ORDER.replace("'a', 'b'", "'a','b','c','d','e','f','g','h','i'")}`, /2 to 8/],
  [`SELECT event_id FROM ${IN_ORDER.replace("'a', 'b'", "'a', k")}`, /constant texts/],
  [`SELECT event_id FROM ${IN_ORDER.replace("'a', 'b'", "1, 2")}`, /constant texts/],
  [`SELECT event_id FROM ${IN_ORDER.replace("'a', 'b'", "'a', 'a'")}`, /twice/],
  [`SELECT event_id FROM ${IN_ORDER.replace("k, k", "k, n")}`, /BIGINT/],
];

describe("is refused:", () => {
  it.each(REFUSED)("%s", async (select, reason) => {
    const planned = await plan(select);
    if (planned.kind === "planned") throw new Error(`planned: ${planned.plan.release}`);
    expect(planned.refusal.reason).toMatch(reason);
  });

  it("at its place, with the form", async () => {
    expect(await plan(`SELECT event_id FROM\n  ${ALL.replace(", n", "")}`)).toMatchObject({
      refusal: { line: 3, column: 3, instead: expect.stringContaining("ALL_OF(") as string },
    });
    expect(await plan(`SELECT k, count(*) AS c FROM ${ALL} GROUP BY k`)).toMatchObject({
      refusal: { instead: "GROUP BY event_id, …" },
    });
  });
});

it("takes eight steps, a second and 31 days", async () => {
  const steps = "'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'";
  for (const select of [
    `SELECT event_id FROM ${IN_ORDER.replace("'a', 'b'", steps)}`,
    `SELECT event_id FROM ${ALL.replace("'1 hour'", "'1 second'")}`,
    `SELECT event_id FROM ${ALL.replace("'1 hour'", "'31 days'")}`,
  ])
    expect(await plan(select)).toMatchObject({ kind: "planned", plan: { kind: "pattern" } });
});
