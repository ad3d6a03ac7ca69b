/**
 * A model of Muara on many machines: processes with doors, processes that land, a log, a store. What an event, a
 * request and a commit cost is measured (scale-costs.ts); how they queue is simulated, per landing process, with the
 * pacing that landing itself has (`paceOf`). It says how many machines a rate needs, how fresh the lake is then, and
 * what is full first. It knows nothing of broken machines, slow networks or stores that refuse.
 */
import { paceOf } from "../workers/land/commit-budget.ts";
import type { Costs } from "./scale-costs.ts";

/** As `land.*` is by default. */
export interface Pacing {
  readonly commitMs: number;
  readonly commitMsMax: number;
  /** Of a process. */
  readonly commitsPerSecond: number;
  readonly commitRows: number;
  readonly parallelCommits: number;
}

export const PACING: Pacing = {
  commitMs: 500,
  commitMsMax: 10_000,
  commitsPerSecond: 100,
  commitRows: 25_000,
  parallelCommits: 2,
};

const US = 1_000;
/** Of a machine. */
const GIB_PER_CORE = 4;
const STEP_MS = 2;

export interface Landed {
  /** From acceptance to visible, ms, of events. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Per second. */
  readonly commits: number;
  /** Share of one core; 1 or more: it cannot keep up. */
  readonly cpu: number;
  /** Share of the time in which its lanes have a commit under way. */
  readonly lanes: number;
  /** Events that wait at the end, in seconds of arrivals. */
  readonly backlogS: number;
}

interface Table {
  /** Events per ms. */
  readonly rate: number;
  /** Events up to here are landed or in a commit, ms. */
  takenMs: number;
  landedMs: number;
  isBusy: boolean;
}

interface Waited {
  readonly ms: number;
  readonly events: number;
}

/** One process that lands tables, each with so many events a second; after a time to settle, for a minute. */
export function simulateLanding(
  ratesPerSecond: readonly number[],
  costs: Pick<Costs, "landUs" | "commitUs" | "storeMs">,
  pacing: Pacing = PACING,
): Landed {
  const [warmMs, endMs] = [30_000, 90_000];
  const tables = ratesPerSecond.map((rate, i): Table => {
    // Out of step with each other, as they are after a while.
    const landedMs = -(pacing.commitMs * i) / ratesPerSecond.length;
    return { rate: rate / 1_000, takenMs: 0, landedMs, isBusy: false };
  });
  const { intervalMs } = paceOf(
    tables.map(({ rate }) => 1 / rate),
    pacing.commitsPerSecond,
    pacing,
  );
  const waited: Waited[] = [];
  let [cpuFreeMs, cpuMs, laneMs, commits, underWay] = [0, 0, 0, 0, 0];
  const ends: { atMs: number; table: Table }[] = [];
  for (let nowMs = 0; nowMs < endMs; nowMs += STEP_MS) {
    for (let i = ends.length - 1; i >= 0; i--)
      if (ends[i]!.atMs <= nowMs) {
        ends.splice(i, 1)[0]!.table.isBusy = false;
        underWay--;
      }
    const due = tables
      .filter((table) => !table.isBusy && isDue(table, nowMs, intervalMs, pacing))
      .toSorted((a, b) => a.landedMs - b.landedMs);
    for (const table of due.slice(0, pacing.parallelCommits - underWay)) {
      const events = Math.min(pacing.commitRows, (nowMs - table.takenMs) * table.rate);
      const workMs = (costs.commitUs + events * costs.landUs) / US;
      cpuFreeMs = Math.max(nowMs, cpuFreeMs) + workMs;
      const atMs = cpuFreeMs + costs.storeMs;
      const upToMs = table.takenMs + events / table.rate;
      if (nowMs >= warmMs) {
        for (const part of [0.005, 0.25, 0.5, 0.75, 0.995])
          waited.push({ ms: atMs - (upToMs - (upToMs - table.takenMs) * part), events });
        cpuMs += workMs;
        laneMs += atMs - nowMs;
        commits++;
      }
      Object.assign(table, { takenMs: upToMs, landedMs: nowMs, isBusy: true });
      ends.push({ atMs, table });
      underWay++;
    }
  }
  const waiting = tables.reduce((sum, { rate, takenMs }) => sum + (endMs - takenMs) * rate, 0);
  const perMs = tables.reduce((sum, { rate }) => sum + rate, 0);
  const spanMs = endMs - warmMs;
  return {
    p50Ms: weighted(waited, 0.5),
    p99Ms: weighted(waited, 0.99),
    commits: (commits * 1_000) / spanMs,
    cpu: cpuMs / spanMs,
    lanes: laneMs / spanMs / pacing.parallelCommits,
    backlogS: waiting / perMs / 1_000,
  };
}

function isDue(
  { rate, takenMs, landedMs }: Table,
  nowMs: number,
  intervalMs: number,
  pacing: Pacing,
): boolean {
  const events = (nowMs - takenMs) * rate;
  if (events >= pacing.commitRows) return true;
  return events >= 1 && nowMs - landedMs >= intervalMs;
}

function weighted(waited: readonly Waited[], share: number): number {
  const ordered = waited.toSorted((a, b) => a.ms - b.ms);
  const all = ordered.reduce((sum, { events }) => sum + events, 0);
  let seen = 0;
  for (const { ms, events } of ordered) {
    seen += events;
    if (seen >= all * share) return ms;
  }
  return Number.NaN;
}

export interface Load {
  readonly eventsPerSecond: number;
  readonly eventBytes: number;
  readonly types: number;
  /** Of the busiest type; the others share the rest evenly. */
  readonly hottestShare: number;
}

export interface Plan {
  readonly doors: number;
  readonly landers: number;
  readonly machines: number;
  /** Of the fullest landing process. */
  readonly landing: Landed;
  /** Parts that the busiest type has to be split into, since a table is one process's. */
  readonly hottestParts: number;
  /** Acceptance to the log, MB/s; to brokers with three copies, each three times. */
  readonly logMBs: number;
  readonly writesPerSecond: number;
  readonly readsPerSecond: number;
  /** Cores of compaction. */
  readonly upkeepCores: number;
  /** Cores of brokers for what they are given, about. */
  readonly brokerCores: number;
  readonly fullFirst: string;
}

/** How many of everything. @param cores of a machine @param target share of a core that a process may use */
export function planFor(load: Load, costs: Costs, cores = 8, target = 0.6): Plan {
  const { eventsPerSecond: rate, eventBytes, types, hottestShare } = load;
  const doors = costs.isAlone ? 0 : Math.ceil((rate * costs.doorUs) / 1e6 / target);
  // Its doors take a part of the one process that lands.
  const landed = costs.isAlone ? { ...costs, landUs: costs.landUs + costs.doorUs } : costs;
  // A table's commits follow each other, each of so many rows at most.
  const fullCommitMs = (costs.commitUs + PACING.commitRows * costs.landUs) / US + costs.storeMs;
  const perTable = (target * PACING.commitRows * 1_000) / fullCommitMs;
  const hottestParts = Math.max(1, Math.ceil((rate * hottestShare) / perTable));
  const rates = [
    ...Array.from({ length: hottestParts }, () => (rate * hottestShare) / hottestParts),
    ...Array.from({ length: types - 1 }, () => (rate * (1 - hottestShare)) / (types - 1)),
  ];
  const commitsOf = (one: number): number => Math.min(1_000 / PACING.commitMs, one);
  const busyOf = (one: number): Busy => {
    const cpu = (one * costs.landUs + commitsOf(one) * costs.commitUs) / 1e6;
    return { cpu, lanes: (cpu + (commitsOf(one) * costs.storeMs) / 1_000) / PACING.parallelCommits };
  };
  const dealt = costs.isAlone ? [rates] : deal(rates, busyOf, target);
  const landing = simulateLanding(dealt[0]!, landed);
  const commits = dealt.reduce((sum, own) => {
    const wanted = own.reduce((total, one) => total + commitsOf(one), 0);
    return sum + Math.min(wanted, PACING.commitsPerSecond);
  }, 0);
  const upkeepCores = (rate * costs.compactUs) / 1e6;
  const brokerCores = (rate * costs.brokerUs) / 1e6;
  const eventCores = (rate * (costs.doorUs + costs.landUs)) / 1e6;
  const busyCores = eventCores + (commits * costs.commitUs) / 1e6 + upkeepCores;
  const memoryGiB = (doors + dealt.length) * costs.processGiB;
  const plan = {
    doors,
    landers: dealt.length,
    machines: Math.ceil(Math.max(busyCores / (cores * target), memoryGiB / (cores * GIB_PER_CORE))),
    landing,
    hottestParts,
    logMBs: (rate * eventBytes) / 1e6,
    writesPerSecond: commits * costs.writesPerCommit,
    readsPerSecond: commits * costs.readsPerCommit,
    upkeepCores,
    brokerCores,
  };
  return { ...plan, fullFirst: fullFirst(plan) };
}

/** Shares of one core, and of a process's lanes. */
interface Busy {
  readonly cpu: number;
  readonly lanes: number;
}

/** Tables to processes, each to the least busy one, the fullest process first: [process][table] its rate. */
function deal(
  rates: readonly number[],
  busyOf: (rate: number) => Busy,
  target: number,
): readonly (readonly number[])[] {
  const all = rates.map(busyOf);
  const sum = (of: keyof Busy): number => all.reduce((total, one) => total + one[of], 0);
  for (let count = Math.max(1, Math.ceil(Math.max(sum("cpu"), sum("lanes")) / target)); ; count++) {
    const processes = Array.from({ length: count }, () => ({ rates: [] as number[], cpu: 0, lanes: 0 }));
    for (const rate of rates.toSorted((a, b) => b - a)) {
      const least = processes.reduce((best, one) => (fullness(one) < fullness(best) ? one : best));
      const { cpu, lanes } = busyOf(rate);
      least.rates.push(rate);
      least.cpu += cpu;
      least.lanes += lanes;
    }
    const fullest = processes.reduce((most, one) => (fullness(one) > fullness(most) ? one : most));
    if (fullness(fullest) > target * 1.05 && count < rates.length) continue;
    return [fullest.rates, ...processes.filter((one) => one !== fullest).map((one) => one.rates)];
  }
}

function fullness({ cpu, lanes }: Busy): number {
  return Math.max(cpu, lanes);
}

function fullFirst(plan: Omit<Plan, "fullFirst">): string {
  if (plan.landing.backlogS > 30) return "landing: it cannot keep up";
  if (plan.hottestParts > 1) return `the busiest type: split it into ${plan.hottestParts}`;
  if (plan.landing.lanes > 0.9) return "commits: those under way wait for the store";
  if (plan.landing.lanes > plan.landing.cpu) return "commits under way, then CPU of landing";
  const parts = [
    ["brokers", plan.brokerCores],
    ["doors", plan.doors],
    ["landing", plan.landers],
  ] as const;
  return `CPU of ${parts.reduce((most, one) => (one[1] > most[1] ? one : most))[0]}`;
}
