/**
 * Bugs to be planted (design §11), each by changing what a process is given; nothing in the product knows of them.
 * What the simulator does not catch of these is a gap in the simulator.
 */
import { MuaraError } from "../../core/errors.ts";
import { type IdentitySet } from "../../core/kernel-set.ts";
import type { Kernel } from "../../core/kernel.ts";
import type { Log } from "../../core/ports/log.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { CommitRequest, TableCommit, TableLog, Txn, Verdict } from "../../core/ports/table-log.ts";
import { packRecords, type ReadBatch, RECORD_WORDS } from "../../core/record.ts";
import { storePathOf } from "../../lake/table/add-file.ts";
import { openTableLog } from "../../lake/table/table-log.ts";
import type { Disk } from "../../adapters/file/disk.ts";
import type { LandPorts } from "../../workers/land/options.ts";
import { parseCommit } from "./light-commit.ts";
import { KEEPER_PLANTS } from "./planted-keepers.ts";
import { READER_PLANTS } from "./planted-readers.ts";
import type { SimProcess } from "./process.ts";
import type { Admitted, Plant, World } from "./world.ts";

const CURSOR = /^muara:land:[^:]+:[^:]+:\d+$/;

type PortsPlant = (ports: LandPorts, world: World, process: SimProcess) => LandPorts;

const PORTS: readonly (readonly [string, PortsPlant])[] = [
  ["a txn must only grow", withCheck(onlyGrows)],
  ["a check per partition only", withCheck(perPartition)],
  ["every winner is rebased over", withCheck(() => "rebase")],
  ["tentative ids are not undone", (ports) => withIds(ports, { undo: (ids) => ids.keep() })],
  ["ids of dead letters are remembered", (ports) => withIds(ports, { admitsBad: true })],
  ["expiry by event time", expiryByEventTime],
  ["after an unknown outcome a later head is adopted", (ports, world) => withStore(ports, world, adoptsHead)],
  ["an unknown outcome deletes files", deletesAfterUnknown],
  ["dead letters are written after the commit", (ports, world) => withStore(ports, world, sideLast)],
  ["reading beyond the durable end", (ports, world) => withLog(ports, beyondEnd(ports.log, world))],
  ["idle by timer despite a backlog", (ports) => withLog(ports, staleBounds(ports))],
  ["a cursor from the record instead of next", (ports) => withLog(ports, fromRecord(ports.log))],
  ["retention past a cursor", (ports) => withLog(ports, holdsNothing(ports.log))],
  ["a projection rebases over another owner", rebasingProjection],
  ["a state image is newer than its table", imageAhead],
];

const DISKS: readonly (readonly [string, (disk: Disk) => Disk])[] = [
  ["the log acknowledges without a sync", (disk) => ({ ...disk, datasync: async () => {} })],
  ["the log does not sync names", (disk) => ({ ...disk, syncDirectory: async () => {} })],
];

/** Planted, and not known to be found within few seeds: gaps of the simulator, which nobody demands of it yet. */
const GAPS: ReadonlySet<string> = new Set([
  "an extract is published over another's",
  "keeping a feed forgets the older versions",
  "a share gives out what the sweeper may take",
  "a share's server reads its rights once",
]);

const ALL: readonly (readonly [string, Plant])[] = [
  ...PORTS.map(([name, ports]) => [name, { ports }] as const),
  ...DISKS.map(([name, disk]) => [name, { disk }] as const),
  ...KEEPER_PLANTS,
  ...READER_PLANTS,
];

export const PLANTS: ReadonlyMap<string, Plant> = new Map(ALL.filter(([name]) => !GAPS.has(name)));
/** To be tried by name. */
export const OPEN_PLANTS: ReadonlyMap<string, Plant> = new Map(ALL.filter(([name]) => GAPS.has(name)));

type Check = (change: CommitRequest["change"], winner: TableCommit) => Verdict;

/** Landing's commits are judged by another check. */
function withCheck(check: Check): PortsPlant {
  return (ports) =>
    withTables(ports, (table) => ({
      ...table,
      commit: (request) =>
        isLanding(request)
          ? table.commit({ ...request, check: (winner) => check(request.change, winner) })
          : table.commit(request),
    }));
}

function isLanding({ change }: CommitRequest): boolean {
  return change.txns.some(({ appId }) => appId === "muara:land");
}

function cursorsOf(txns: readonly Txn[]): Map<string, bigint> {
  return new Map(
    txns.filter(({ appId }) => CURSOR.test(appId)).map(({ appId, version }) => [appId, version]),
  );
}

function onlyGrows(change: CommitRequest["change"], winner: TableCommit): Verdict {
  const theirs = cursorsOf(winner.txns);
  const isBehind = [...cursorsOf(change.txns)].some(([app, to]) => (theirs.get(app) ?? -1n) >= to);
  return isBehind || winner.metadata ? "abandon" : "rebase";
}

function perPartition(change: CommitRequest["change"], winner: TableCommit): Verdict {
  const theirs = cursorsOf(winner.txns);
  const isShared = [...cursorsOf(change.txns).keys()].some((app) => theirs.has(app));
  return isShared || winner.metadata ? "abandon" : "rebase";
}

function withTables(ports: LandPorts, wrap: (table: TableLog, name: string) => TableLog): LandPorts {
  return { ...ports, openTable: (name) => wrap(ports.openTable(name), name) };
}

function withStore(
  ports: LandPorts,
  world: World,
  wrap: (store: ObjectStore, world: World) => Partial<ObjectStore>,
): LandPorts {
  const store = { ...ports.store, ...wrap(ports.store, world) };
  return { ...ports, store, openTable: (name) => openTableLog(store, name, ports) };
}

function withLog(ports: LandPorts, changed: Partial<Log>): LandPorts {
  const { log } = ports;
  const wrapped: Log = {
    ...log,
    ...changed,
    get appendCount() {
      return log.appendCount;
    },
  };
  return { ...ports, log: wrapped };
}

interface IdChange {
  readonly undo?: (ids: IdentitySet) => void;
  readonly admitsBad?: boolean;
  readonly expire?: (ids: IdentitySet, slowestMs: number) => void;
}

/** An id set with other habits. */
function withIds(ports: LandPorts, change: IdChange, more: Partial<Kernel> = {}): LandPorts {
  const kernel = derived(ports.kernel, {
    ...more,
    createIdentitySet: (options) => {
      const ids = ports.kernel.createIdentitySet(options);
      return derived(ids, {
        undo: () => (change.undo ? change.undo(ids) : ids.undo()),
        expire: (slowestMs) => (change.expire ? change.expire(ids, slowestMs) : ids.expire(slowestMs)),
        admit: (count, identities, ingestMs, bad) =>
          ids.admit(count, identities, ingestMs, change.admitsBad ? new Uint8Array(count) : bad),
      });
    },
  });
  return { ...ports, kernel };
}

/** The same object with some of its methods replaced. */
function derived<Target extends object>(target: Target, methods: Partial<Target>): Target {
  return new Proxy(target, {
    get: (_, name) => {
      const value: unknown = Reflect.get(methods, name) ?? Reflect.get(target, name, target);
      return typeof value === "function" ? (value as () => unknown).bind(target) : value;
    },
  });
}

/**
 * Images are written before the commit that they belong to: what an attempt admitted and never committed comes back
 * with the next image that is read, by slot.
 */
function imageAhead(ports: LandPorts, world: World, process: SimProcess): LandPorts {
  const tentative = world.leaked.get(process.slot.name) ?? new Set<Admitted>();
  world.leaked.set(process.slot.name, tentative);
  const kernel = derived(ports.kernel, {
    createIdentitySet: (options) => {
      const ids = ports.kernel.createIdentitySet(options);
      const own = new Set<Admitted>();
      const settle = (): void => {
        for (const one of own) tentative.delete(one);
        own.clear();
      };
      return derived(ids, {
        admit: (count, identities, ingestMs, bad) => {
          const good = Array.from({ length: count }, (_, i) => i).filter((i) => !bad?.[i]);
          const admitted = {
            count: good.length,
            identities: BigUint64Array.from(good.flatMap((i) => [...identities.subarray(i * 2, i * 2 + 2)])),
            ingestMs: Float64Array.from(good, (i) => ingestMs[i]!),
          };
          own.add(admitted);
          tentative.add(admitted);
          return ids.admit(count, identities, ingestMs, bad);
        },
        keep: () => {
          settle();
          ids.keep();
        },
        undo: () => {
          own.clear(); // from memory; the image still has them
          ids.undo();
        },
        importGeneration: (number, bytes) => {
          const isFit = ids.importGeneration(number, bytes);
          for (const one of tentative) if (!own.has(one)) ids.insert(one.count, one.identities, one.ingestMs);
          return isFit;
        },
      });
    },
  });
  return { ...ports, kernel };
}

function expiryByEventTime(ports: LandPorts): LandPorts {
  let newestMs = 0;
  const order: Kernel["order"] = (timesUs, selected) => {
    for (const row of selected) newestMs = Math.max(newestMs, Number(timesUs[row]! / 1_000n));
    return ports.kernel.order(timesUs, selected);
  };
  return withIds(ports, { expire: (ids, ms) => ids.expire(Math.max(ms, newestMs)) }, { order });
}

/** Whoever has the version once an outcome was unknown: it is taken for one's own. */
function adoptsHead(store: ObjectStore): Partial<ObjectStore> {
  const doubtful = new Set<string>();
  return {
    putIfAbsent: async (path, bytes) => {
      const answer = await store.putIfAbsent(path, bytes);
      if (answer.outcome === "unknown") doubtful.add(path);
      const isAdopted = answer.outcome === "refused" && doubtful.has(path);
      return isAdopted ? { outcome: "done", etag: "" } : answer;
    },
  };
}

function deletesAfterUnknown(ports: LandPorts, world: World): LandPorts {
  let isUnknown = false;
  const watched = withStore(ports, world, (store) => ({
    putIfAbsent: async (path, bytes) => {
      const answer = await store.putIfAbsent(path, bytes);
      isUnknown ||= answer.outcome === "unknown";
      if (isUnknown) throw new MuaraError("store.unavailable", "no answer");
      return answer;
    },
  }));
  return withTables(watched, (table, name) => ({
    ...table,
    commit: async (request) => {
      isUnknown = false;
      try {
        return await table.commit(request);
      } catch (error) {
        if (isUnknown)
          for (const { path } of request.change.add) await ports.store.delete(storePathOf(name, path));
        throw error;
      }
    },
  }));
}

/** The side file follows its commit. */
function sideLast(store: ObjectStore): Partial<ObjectStore> {
  const waiting = new Map<string, Uint8Array>();
  return {
    put: async (path, bytes) => {
      if (!path.includes("/_muara/side-")) return store.put(path, bytes);
      waiting.set(path, bytes.slice());
    },
    putIfAbsent: async (path, bytes) => {
      const answer = await store.putIfAbsent(path, bytes);
      const side = path.includes("/_delta_log/") ? parseCommit(0, bytes).info["side"] : undefined;
      const content = waiting.get(String(side));
      if (content && answer.outcome === "done") {
        waiting.delete(String(side));
        await store.put(String(side), content);
      }
      return answer;
    },
  };
}

/** What is on its way is read as if it were stored. */
function beyondEnd(log: Log, world: World): Partial<Log> {
  const extra = (stream: string, partition: number) =>
    [...world.pending].find((one) => one.stream === stream && one.partition === partition)?.batch;
  return {
    bounds: async (stream, partition) => {
      const bounds = await log.bounds(stream, partition);
      return { ...bounds, endOffset: bounds.endOffset + (extra(stream, partition)?.count ?? 0) };
    },
    read: async (stream, partition, offset, maxBytes) => {
      const { endOffset } = await log.bounds(stream, partition);
      const batch = extra(stream, partition);
      if (offset < endOffset || !batch)
        return log.read(stream, partition, Math.min(offset, endOffset), maxBytes);
      const end = endOffset + batch.count;
      const read: ReadBatch = {
        ...packRecords([]),
        count: batch.count,
        bytes: batch.bytes.slice(),
        index: batch.index.slice(0, batch.count * RECORD_WORDS),
        stream,
        partition,
        offsets: Float64Array.from({ length: batch.count }, (_, i) => endOffset + i),
        ingestMs: new Float64Array(batch.count).fill(world.wallMs(world.logOffsetMs)),
        next: end,
        endOffset: end,
      };
      return read;
    },
  };
}

/** The log's end is asked for rarely, so that silence is a matter of time. */
function staleBounds({ log, clock }: LandPorts): Partial<Log> {
  const known = new Map<
    string,
    { readonly atMs: number; readonly bounds: Awaited<ReturnType<Log["bounds"]>> }
  >();
  return {
    bounds: async (stream, partition) => {
      const key = `${stream}/${partition}`;
      const found = known.get(key);
      if (found && clock.monotonicMs() - found.atMs < 20_000) return found.bounds;
      const bounds = await log.bounds(stream, partition);
      known.set(key, { atMs: clock.monotonicMs(), bounds });
      return bounds;
    },
  };
}

/** Declares to need only what is still to come. */
function holdsNothing(log: Log): Partial<Log> {
  return {
    hold: (consumer, holds) =>
      log.hold(
        consumer,
        holds.map((hold) => ({ ...hold, offset: 1e9 })),
      ),
  };
}

function fromRecord(log: Log): Partial<Log> {
  return {
    read: async (stream, partition, offset, maxBytes) => {
      const batch = await log.read(stream, partition, offset, maxBytes);
      return { ...batch, next: batch.count > 0 ? batch.offsets[batch.count - 1]! + 1 : offset };
    },
  };
}

function rebasingProjection(ports: LandPorts): LandPorts {
  return withTables(ports, (table) => ({
    ...table,
    commit: (request) => {
      const { change } = request;
      if (change.info["kind"] !== "projection") return table.commit(request);
      return table.commit({ ...request, check: () => "rebase" });
    },
  }));
}
