/**
 * `npm run proof:ambiguous-commits -- [--answers 100000] [--seed N]`: the landing histories of test/property, whose
 * audit holds every commit against a model, over a store whose answers to commits cannot be trusted
 * (ambiguous-store.ts): two owners of one table, crashes, aborts, compaction beside them. One history in fifty runs
 * over a directory. At the end of each: versions are dense, every commit is there once and where its writer was told,
 * nothing is added twice, every file that a version names exists, and every other file belongs to an attempt that is
 * known not to have been committed.
 */
import assert from "node:assert/strict";
import { parseArgs } from "node:util";
import { createFileObjectStore } from "../../adapters/file/object-store.ts";
import { seededRandomness } from "../../core/clock.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { TableLog } from "../../core/ports/table-log.ts";
import { openTableLog } from "../../lake/table/table-log.ts";
import type { AuditCounts } from "../property/landing-audit.ts";
import { noCounts, runLandingHistory } from "../property/landing-history.ts";
import type { LandingWorld, Plant } from "../property/landing-world.ts";
import { temporaryFolder } from "../services/muara.ts";
import { AMBIGUITIES, type Ambiguity, ambiguousStore, noAmbiguities } from "./ambiguous-store.ts";

const TABLE = "order.created";
const FILE_SHARE = 20;
const RATES = [0.3, 0.6, 0.9, 0.97];

export interface AmbiguousResult {
  histories: number;
  /** Of these, over a directory. */
  fileHistories: number;
  readonly answers: Record<Ambiguity, number>;
  readonly commits: AuditCounts;
  /** What the writers' attempts came to. */
  readonly told: { committed: number; abandoned: number; failed: number };
  /** Data and side files that no version names: of attempts that another commit prevented, or that were cut off. */
  readonly unreferenced: { prevented: number; cutOff: number };
}

/** One attempt to commit, and what its writer was told. */
interface Attempt {
  readonly paths: readonly string[];
  fate: "open" | "committed" | "abandoned" | "failed";
  version: number | undefined;
}

/** Wraps what a lander is given; for tests that plant a mistake. */
export type Mistake = (store: ObjectStore) => ObjectStore;

/** @throws Error naming the seed */
export async function runAmbiguousCommits(
  answers: number,
  seed: number,
  tell: (line: string) => void = () => undefined,
  mistake: Mistake = (store) => store,
): Promise<AmbiguousResult> {
  const result: AmbiguousResult = {
    histories: 0,
    fileHistories: 0,
    answers: noAmbiguities(),
    commits: noCounts(),
    told: { committed: 0, abandoned: 0, failed: 0 },
    unreferenced: { prevented: 0, cutOff: 0 },
  };
  while (total(result) < answers) {
    const one = seed + result.histories++;
    const isFile = result.histories % FILE_SHARE === 0;
    const folder = isFile ? await temporaryFolder("ambiguous") : undefined;
    try {
      await runOne(one, result, folder && createFileObjectStore({ root: folder.path }), mistake);
    } catch (error) {
      throw new Error(`ambiguous commits with seed ${one}${isFile ? " over a directory" : ""}`, {
        cause: error,
      });
    } finally {
      await folder?.remove();
    }
    if (isFile) result.fileHistories++;
    if (result.histories % 1_000 === 0)
      tell(`${result.histories} histories, ${total(result)} ambiguous answers`);
  }
  return result;
}

function total({ answers }: AmbiguousResult): number {
  return AMBIGUITIES.reduce((sum, kind) => sum + answers[kind], 0);
}

async function runOne(
  seed: number,
  result: AmbiguousResult,
  base: ObjectStore | undefined,
  mistake: Mistake,
): Promise<void> {
  const random = seededRandomness(seed ^ 0x5bd1e995);
  const rate = RATES[Math.floor(random.fraction() * RATES.length)]!;
  // Not every history has every kind: one would otherwise end what another began.
  const some = AMBIGUITIES.filter(() => random.fraction() < 0.4);
  const kinds = some.length > 0 ? some : AMBIGUITIES;
  const attempts: Attempt[] = [];
  const plant: Plant = (ports) => {
    const { clock, randomness, logger } = ports;
    const ambiguous = ambiguousStore(ports.store, {
      random,
      rate,
      kinds,
      beneath: ports.store,
      counts: result.answers,
    });
    const store = mistake(ambiguous);
    return {
      ...ports,
      store,
      openTable: (name) => watched(openTableLog(store, name, { clock, randomness, logger }), attempts),
    };
  };
  const { world } = await runLandingHistory(seed, result.commits, plant, undefined, base);
  await checkEnd(world, attempts, result);
}

/** Notes what each attempt wrote and what its writer was told. */
function watched(table: TableLog, attempts: Attempt[]): TableLog {
  return {
    snapshot: (at) => table.snapshot(at),
    read: (version) => table.read(version),
    commit: async (request) => {
      const side: unknown = request.change.info["muara"] ?? request.change.info;
      const sidePath = (side as { side?: string | null }).side;
      const adds = request.change.add.map(({ path }) => `${TABLE}/${path}`);
      const attempt: Attempt = {
        paths: sidePath ? [...adds, sidePath] : adds,
        fate: "open",
        version: undefined,
      };
      attempts.push(attempt);
      try {
        const outcome = await table.commit(request);
        attempt.fate = outcome.outcome;
        if (outcome.outcome === "committed") attempt.version = outcome.commit.version;
        return outcome;
      } catch (error) {
        attempt.fate = "failed";
        throw error;
      }
    },
  };
}

interface Action {
  readonly add?: { readonly path: string };
  readonly commitInfo?: { readonly txnId?: string; readonly muara?: { readonly side?: string | null } };
}

async function checkEnd(
  world: LandingWorld,
  attempts: readonly Attempt[],
  result: AmbiguousResult,
): Promise<void> {
  const objects = (await world.store.list(TABLE)).map(({ path }) => path);
  const versions = objects.filter((path) => /\/_delta_log\/\d{20}\.json$/.test(path));
  const named = new Map<string, number>();
  const commitIds = new Set<string>();
  for (const [version, path] of versions.entries()) {
    assert.equal(Number(path.slice(-25, -5)), version, "versions are dense");
    const lines = new TextDecoder()
      .decode(await world.store.get(path))
      .trimEnd()
      .split("\n");
    for (const { add, commitInfo } of lines.map((line) => JSON.parse(line) as Action)) {
      const commitId = commitInfo?.txnId;
      if (commitId !== undefined) {
        assert(!commitIds.has(commitId), `commit ${commitId} is there twice`);
        commitIds.add(commitId);
      }
      const names = [add && `${TABLE}/${add.path}`, commitInfo?.muara?.side];
      for (const name of names) {
        if (name === undefined || name === null) continue;
        assert(!named.has(name), `${name} is named by the versions ${named.get(name)} and ${version}`);
        named.set(name, version);
        assert(await world.store.head(name), `version ${version} names ${name}, which does not exist`);
      }
    }
  }
  const prevented = new Set<string>();
  for (const { fate, paths, version } of attempts) {
    if (fate === "open") continue;
    result.told[fate]++;
    for (const path of paths) {
      if (fate === "committed") assert.equal(named.get(path), version, `${path}, committed as ${version}`);
      if (fate !== "abandoned") continue;
      assert(!named.has(path), `${path} is there, and its attempt was abandoned`);
      prevented.add(path);
    }
  }
  const data = objects.filter((path) => !path.includes("/_delta_log/") && !named.has(path));
  for (const path of data) result.unreferenced[prevented.has(path) ? "prevented" : "cutOff"]++;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { answers: { type: "string", default: "100000" }, seed: { type: "string" } },
  });
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`seed ${seed}`);
  const before = process.cpuUsage();
  const result = await runAmbiguousCommits(Number(values.answers), seed, (line) => console.log(line));
  const { user, system } = process.cpuUsage(before);
  console.log(JSON.stringify({ ambiguous: total(result), ...result }, null, 2));
  console.log(`${Math.round((user + system) / 1e6)} s of CPU time`);
}

if (process.argv[1] === import.meta.filename) await main();
