/** Jobs against the same query as a batch over the lake: live, from history, after kills, beside a second owner. */
import process from "node:process";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MuaraError } from "../../../core/errors.ts";
import { jobLimitsSchema } from "../../../core/job.ts";
import type { TableLog } from "../../../core/ports/table-log.ts";
import { COUNT, difference, drain, jobOf, LATE, query, ROWS, startWorld, type World } from "./world.ts";

const never = (): AbortSignal => new AbortController().signal;

let world: World;
beforeEach(async () => (world = await startWorld()));
afterEach(() => world.close());

async function expectEqual(output: string, select: string): Promise<number> {
  const { rows, wrong } = await difference(world, output, select);
  expect(wrong).toEqual([]);
  return rows;
}

test("rows come out as they land, and those that break a check come out beside", async () => {
  await world.land(20);
  const run = await world.open(ROWS);
  for (let i = 0; i < 5; i++) {
    await drain(run);
    await world.land(30);
  }
  await drain(run);
  expect(await expectEqual("out.rows", ROWS.batch.select)).toBeGreaterThan(250);
  await expectEqual("out.rows.violations", ROWS.violations[0]!.replace("new_0", '"order.created"'));
  await run.close();
});

test("windows come out once they are final, and rows that came too late beside", async () => {
  await world.land(20);
  const run = await world.open(COUNT);
  for (let i = 0; i < 12; i++) {
    await drain(run);
    await world.land(30);
  }
  await drain(run);
  expect(await expectEqual("out.count", COUNT.batch.select)).toBeGreaterThan(20);
  expect(await expectEqual("out.count.corrections", LATE)).toBeGreaterThan(0);
  await run.close();
});

describe("history", () => {
  test("is released as if the job had been there, slice by slice", async () => {
    await world.land(40, 10);
    const limits = jobLimitsSchema.parse({ step_rows: 150 });
    const run = await world.open(COUNT, { limits });
    expect(await drain(run)).toBeGreaterThan(4);
    await expectEqual("out.count", COUNT.batch.select);
    await world.land(40, 3);
    await drain(run);
    expect(await expectEqual("out.count", COUNT.batch.select)).toBeGreaterThan(10);
    await expectEqual("out.count.corrections", LATE);
    await run.close();
  });

  test("goes on in its midst, also where state is lost", async () => {
    await world.land(40, 10);
    const limits = jobLimitsSchema.parse({ step_rows: 150 });
    for (let attempt = 0; attempt < 4; attempt++) {
      const run = await world.open(COUNT, { limits }, `${world.folder}/${attempt}`);
      expect(await run.step(never())).toBe("moved");
      await run.close();
    }
    const run = await world.open(COUNT, { limits }, `${world.folder}/last`);
    await drain(run);
    await expectEqual("out.count", COUNT.batch.select);
    await expectEqual("out.count.corrections", LATE);
    await run.close();
  });

  test("begins at a version, with all that the table had then", async () => {
    await world.land(40, 4);
    const { version } = await world.at.openTable("order.created").snapshot();
    await world.land(40, 4);
    const run = await world.open(COUNT, { start: { "order.created": version } });
    await run.step(never());
    const at = await world.at.openTable("out.count").snapshot();
    expect([...at.txns.values()]).toContain(BigInt(version));
    await drain(run);
    await expectEqual("out.count", COUNT.batch.select);
    await run.close();
  });

  test("is not released again by a job that starts now", async () => {
    await world.land(40, 6);
    const [before] = await query(world, ["order.created"], [COUNT.batch.select]);
    expect(before!.length).toBeGreaterThan(2);
    const run = await world.open(COUNT, { start: "now" });
    await world.land(40, 6);
    await drain(run);
    const select = `(${COUNT.batch.select}) AS now WHERE window_start > (SELECT max(window_start) FROM former)`;
    const starts = before!.map(([start]) => `TIMESTAMPTZ '${String(start)}'`).join(", ");
    const former = `WITH former AS (SELECT unnest([${starts}]) AS window_start)`;
    const [wanted, found] = await query(
      world,
      ["order.created", "out.count"],
      [
        `${former} SELECT * FROM ${select} ORDER BY ALL`,
        `SELECT * EXCLUDE (row_id, watermark) FROM "out.count" ORDER BY ALL`,
      ],
    );
    expect(found).toEqual(wanted);
    expect(found!.length).toBeGreaterThan(2);
    await run.close();
  });
});

describe("what ends a process", () => {
  test("kill -9 at any place: the same rows", async () => {
    await world.land(20);
    const codes = new Set<string>();
    let run = await world.open(COUNT);
    for (let i = 0; i < 12; i++) {
      await world.land(30);
      const stepping = run.step(never());
      if (i % 2 === 1) {
        await new Promise((resolve) => setTimeout(resolve, world.at.randomness.fraction() * 30));
        process.kill(run.enginePid!, "SIGKILL");
      }
      const [outcome] = await Promise.allSettled([stepping]);
      codes.add(outcome.status === "rejected" ? (outcome.reason as MuaraError).code : outcome.value);
      if (i % 2 === 0) continue;
      await run.close();
      run = await world.open(COUNT);
    }
    expect([...codes].toSorted()).toEqual(["job.engine_failed", "moved"]);
    await drain(run);
    expect(await expectEqual("out.count", COUNT.batch.select)).toBeGreaterThan(5);
    await expectEqual("out.count.corrections", LATE);
    await run.close();
  });

  test("state of another place is made anew, that of the same is used", async () => {
    await world.land(30, 3);
    const first = await world.open(COUNT);
    await drain(first);
    await first.close();
    const { rebuilds } = world.stats;
    const second = await world.open(COUNT);
    expect(world.stats.rebuilds).toBe(rebuilds);
    await world.land(30, 2);
    await drain(second);
    await second.close();
    // A folder with the state of before: older than the table.
    const other = await world.open(COUNT, {}, `${world.folder}/other`);
    expect(world.stats.rebuilds).toBe(rebuilds + 1);
    await world.land(30, 3);
    await drain(other);
    await other.close();
    const behind = await world.open(COUNT);
    expect(world.stats.rebuilds).toBe(rebuilds + 2);
    await world.land(30, 3);
    await drain(behind);
    await expectEqual("out.count", COUNT.batch.select);
    await behind.close();
  });

  test("a step that hangs is killed at its limit", async () => {
    await world.land(20);
    const endless = "SELECT count(*) AS c FROM range(100000000000) a, range(100000) b";
    const plan = { ...ROWS, name: "hung", release: endless, violations: [] };
    const run = await world.open(plan, { limits: jobLimitsSchema.parse({ step_ms: 500 }) });
    await expect(run.step(never())).rejects.toMatchObject({
      code: "job.engine_failed",
      message: expect.stringContaining("step_ms") as string,
    });
    await run.close();
    expect((await world.at.openTable("out.hung").snapshot()).files.size).toBe(0);
  });

  test("what needs too much memory or disk fails alone, and says so", async () => {
    await world.land(20);
    const select = "SELECT list(md5(i::VARCHAR)) AS l FROM range(20000000) t(i)";
    const plan = { ...ROWS, name: "large", release: select, violations: [] };
    const limits = jobLimitsSchema.parse({ memory_bytes: 256 * 1_048_576, disk_bytes: 1_048_576 });
    const run = await world.open(plan, { limits });
    await expect(run.step(never())).rejects.toMatchObject({
      code: "job.engine_failed",
      message: expect.stringMatching(/memory|disk is full/) as string,
    });
    await run.close();
    const fine = await world.open(ROWS);
    await drain(fine);
    await expectEqual("out.rows", ROWS.batch.select);
    await fine.close();
  });
});

test("of two owners one commits each step, and the other begins again", async () => {
  await world.land(20);
  const folders = [`${world.folder}/a`, `${world.folder}/b`];
  let lost = 0;
  const runs = [await world.open(COUNT, {}, folders[0]), await world.open(COUNT, {}, folders[1])];
  for (let i = 0; i < 4; i++) {
    await world.land(30, 2);
    const outcomes = await Promise.all(runs.map((run) => run.step(never())));
    for (const [who, outcome] of outcomes.entries()) {
      if (outcome !== "lost") continue;
      lost++;
      await runs[who]!.close();
      runs[who] = await world.open(COUNT, {}, folders[who]);
    }
  }
  const last = await world.open(COUNT, {}, `${world.folder}/c`);
  await drain(last);
  expect(lost).toBeGreaterThan(1);
  expect(await expectEqual("out.count", COUNT.batch.select)).toBeGreaterThan(5);
  await expectEqual("out.count.corrections", LATE);
  for (const run of [...runs, last]) await run.close();
});

test("state stays small over a long run, with keys that come once", async () => {
  await world.land(20);
  const long = await world.open(COUNT);
  const sizes: { stateRows: number; storedRows: number }[] = [];
  for (let i = 0; i < 210; i++) {
    await world.land(10);
    await drain(long);
    if (world.stats.size && world.stats.size !== sizes.at(-1)) sizes.push(world.stats.size);
  }
  expect(sizes.length).toBeGreaterThanOrEqual(4);
  for (const { stateRows, storedRows } of sizes) {
    expect(stateRows).toBeLessThan(300);
    // Of 4,200 that were kept at some time: those of the steps since the last time that the file was put in order.
    expect(storedRows).toBeLessThan(1_200);
  }
  await expectEqual("out.count", COUNT.batch.select);
  await long.close();
});

describe("refused", () => {
  test("an output table that is somebody else's", async () => {
    await world.land(20);
    const run = await world.open(ROWS);
    await drain(run);
    await run.close();
    await expect(world.open(COUNT, { output: "out.rows" })).rejects.toMatchObject({
      code: "job.output_taken",
    });
    const other = { ...ROWS, release: "SELECT n FROM new_0" };
    await expect(world.open(other)).rejects.toMatchObject({ code: "job.output_taken" });
    expect(jobOf(ROWS).output).toBe("out.rows");
  });

  test("a column that is not there, and one that no table can hold", async () => {
    await world.land(20);
    const missing = { ...ROWS, inputs: [{ ...ROWS.inputs[0]!, columns: ["nothing"] }] };
    await expect(world.open(missing)).rejects.toMatchObject({ code: "job.input_missing" });
    const map = { ...ROWS, release: "SELECT MAP {'a': 1} AS m FROM new_0" };
    await expect(world.open(map)).rejects.toMatchObject({ code: "job.unsupported" });
  });

  test("commits that are no longer kept", async () => {
    await world.land(20, 3);
    const { openTable } = world.at;
    const { version } = await openTable("order.created").snapshot();
    world.at.openTable = (name) => {
      const log = openTable(name);
      const read: TableLog["read"] = (wanted) => {
        if (name !== "order.created" || wanted <= version + 1) return log.read(wanted);
        return Promise.reject(new MuaraError("table.version_not_found", "cleaned up"));
      };
      return { ...log, read };
    };
    const run = await world.open(ROWS);
    await drain(run);
    await world.land(20, 2);
    await expect(drain(run)).rejects.toMatchObject({ code: "job.overtaken" });
    await run.close();
  });
});
