/** Seeds of the simulator, in processes of their own: its hooks replace modules, which nobody else may notice. */
import { spawn } from "node:child_process";
import { expect, test } from "vitest";

const SEEDS = 1_400;
/** Processes at a time. */
const PARTS = 2;
/** Seeds within which each planted bug must be caught. */
const WITHIN = 1_000;

interface Done {
  readonly status: number | null;
  /** What it printed as JSON at the end. */
  readonly result: unknown;
  readonly errors: string;
}

function sim(...given: string[]): Promise<Done> {
  const child = spawn(process.execPath, ["test/sim/run.ts", "--json", ...given], { stdio: "pipe" });
  const texts = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    child[name].setEncoding("utf8").on("data", (text: string) => void (texts[name] += text));
  return new Promise((done, fail) => {
    child.on("error", fail);
    child.on("close", (status) => {
      const result: unknown = texts.stdout === "" ? undefined : JSON.parse(texts.stdout);
      done({ status, result, errors: texts.stderr });
    });
  });
}

interface Sums {
  readonly seeds: number;
  readonly trace: number;
  readonly cpuSeconds: number;
  readonly faults: Readonly<Record<string, number>>;
}

test(`${SEEDS} seeds keep every invariant`, { timeout: 300_000 }, async () => {
  const each = SEEDS / PARTS;
  const ranges = Array.from({ length: PARTS }, (_, part) => `${part * each + 1}..${(part + 1) * each}`);
  const parts = await Promise.all(ranges.map((range) => sim("--seeds", range)));
  for (const { status, errors } of parts) expect(status, errors).toBe(0);
  const sums = parts.map(({ result }) => result as Sums);
  const cpuSeconds = sums.reduce((sum, one) => sum + one.cpuSeconds, 0);
  console.log(
    `${SEEDS} seeds in ${cpuSeconds.toFixed(1)} CPU s: ${(SEEDS / cpuSeconds).toFixed(1)} per CPU s`,
  );
  expect(sums.map(({ seeds }) => seeds)).toEqual(ranges.map(() => each));
  const idle = Object.keys(sums[0]!.faults).filter((fault) =>
    sums.every(({ faults }) => faults[fault] === 0),
  );
  expect(idle, "every fault strikes").toEqual([]);
});

test("a seed is a history: twice the same", { timeout: 60_000 }, async () => {
  const runs = await Promise.all([sim("--seeds", "1..40"), sim("--seeds", "1..40")]);
  const histories = runs.map(({ result }) => ({ ...(result as Sums), cpuSeconds: 0, wallSeconds: 0 }));
  expect(histories[0]!.seeds).toBe(40);
  expect(histories[0]).toEqual(histories[1]);
});

test(
  "a seed that fails says how to see it again, and fails again the same",
  { timeout: 60_000 },
  async () => {
    const given = ["--seeds", `1..${WITHIN}`, "--plant", "tentative ids are not undone"];
    const [first, second] = await Promise.all([sim(...given), sim(...given)]);
    expect(first.status).toBe(1);
    expect(first.errors).toMatch(/again: npm run sim -- \d+ --plant "tentative ids are not undone"/);
    expect(first.errors).not.toContain("fails once and not again");
    expect(first.errors).toBe(second.errors);
  },
);

test("leases that nobody keeps to do no harm", { timeout: 300_000 }, async () => {
  const runs = await Promise.all(HARMLESS.map((name) => sim("--seeds", "1..100", "--plant", name)));
  for (const { status, errors } of runs) expect(status, errors).toBe(0);
});

test(`planted bugs are caught within ${WITHIN} seeds`, { timeout: 600_000 }, async () => {
  const parts = await Promise.all(
    Array.from({ length: PARTS }, (_, part) =>
      sim("--plants", "--seeds", `1..${WITHIN}`, "--part", `${part + 1}/${PARTS}`),
    ),
  );
  const caught = Object.assign({}, ...parts.map(({ result }) => result)) as Record<string, number | null>;
  expect(Object.keys(caught).sort()).toEqual(PLANTED.toSorted());
  const missed = Object.entries(caught).filter(([, seed]) => seed === null);
  expect(missed, parts.map(({ errors }) => errors).join("")).toEqual([]);
});

/** The design's twelve, and others that suggested themselves. */
const PLANTED: readonly string[] = [
  "a txn must only grow",
  "a check per partition only",
  "tentative ids are not undone",
  "after an unknown outcome a later head is adopted",
  "ids of dead letters are remembered",
  "dead letters are written after the commit",
  "reading beyond the durable end",
  "idle by timer despite a backlog",
  "expiry by event time",
  "a state image is newer than its table",
  "retention past a cursor",
  "a cursor from the record instead of next",
  "every winner is rebased over",
  "an unknown outcome deletes files",
  "a projection rebases over another owner",
  "the log acknowledges without a sync",
  "the log does not sync names",
  "a sweeper without an age guard",
  "a sweeper that looks at the table before it lists",
  "a sweeper that waits for no consumer",
  "a sweeper that keeps nothing for older versions",
  "rolling back moves the cursors back",
  "rolling back forgets the ids",
  "retention counts nothing",
  "retention without the ids",
  "retention by a clock that is ahead",
  "compaction commits over a removal",
  "compaction loses a row",
  "compaction doubles a row",
  "compaction commits what it wrote for another attempt",
  "a manifest is written before its files",
  "an extract's number is skipped after a crash",
  "an extract's number is skipped after an unknown outcome",
];

/** What nobody's correctness may hang on. */
const HARMLESS = ["every keeper has every lease", "leases by clocks that are an hour apart"];
