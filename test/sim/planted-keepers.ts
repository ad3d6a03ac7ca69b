/** Bugs to be planted in upkeep: as planted.ts does with landing, by changing what a keeper is given. */
import type { CommitRequest, TableLog, TableSnapshot } from "../../core/ports/table-log.ts";
import { landedPartitions, REMOVED_TXN } from "../../core/landed.ts";
import type { KeeperPorts } from "./keeper-ports.ts";
import type { LightFile } from "./light-format.ts";
import { fileOf, lightRewrite, rowsOf, type Spoil } from "./light-rewriter.ts";
import type { Plant, World } from "./world.ts";

type KeeperPlant = (ports: KeeperPorts, world: World) => KeeperPorts;

const KEEPERS: readonly (readonly [string, KeeperPlant])[] = [
  ["a sweeper without an age guard", (ports) => ({ ...ports, sweepAfterMs: -600_000 })],
  ["a sweeper that looks at the table before it lists", listsLast],
  ["a sweeper that waits for no consumer", (ports) => ({ ...ports, consumersOf: async () => [] })],
  ["a sweeper that keeps nothing for older versions", keepsNothing],
  ["rolling back moves the cursors back", (ports) => withCommits(ports, "rollback", cursorsBack)],
  ["rolling back forgets the ids", (ports) => withCommits(ports, "rollback", forgetsIds)],
  ["retention counts nothing", (ports) => withCommits(ports, "retention", countsNothing)],
  ["retention without the ids", (ports) => withCommits(ports, "retention", forgetsIds)],
  ["retention by a clock that is ahead", (ports) => withCommits(ports, "retention", early)],
  ["compaction commits over a removal", overRemoval],
  ["compaction loses a row", (ports) => withRewritten(ports, (rows) => rows.slice(1))],
  ["compaction doubles a row", (ports) => withRewritten(ports, (rows) => [...rows, rows[0]!])],
  ["compaction commits what it wrote for another attempt", staleOutput],
];

/** What must do no harm: nobody's correctness hangs on it. */
export const HARMLESS: ReadonlyMap<string, Plant> = new Map<string, Plant>([
  ["every keeper has every lease", { keeper: (ports) => ({ ...ports, leaseMs: 1 }) }],
  ["leases by clocks that are an hour apart", { keeper: skewedLease }],
]);

export const KEEPER_PLANTS: ReadonlyMap<string, Plant> = new Map<string, Plant>(
  KEEPERS.map(([name, keeper]) => [name, { keeper }]),
);

type Commit = (request: CommitRequest, log: TableLog) => Promise<CommitRequest> | CommitRequest;

/** Every table's log becomes another in some of its calls. */
function withTables(
  ports: KeeperPorts,
  change: (log: TableLog, name: string) => Partial<TableLog>,
): KeeperPorts {
  const openTable = (name: string): TableLog => {
    const log = ports.openTable(name);
    return { ...log, ...change(log, name) };
  };
  return { ...ports, openTable };
}

/** Commits of a kind become others. */
function withCommits(ports: KeeperPorts, kind: string, change: Commit): KeeperPorts {
  return withTables(ports, (log) => ({
    commit: async (request) =>
      log.commit(request.change.info["kind"] === kind ? await change(request, log) : request),
  }));
}

async function cursorsBack(request: CommitRequest, log: TableLog): Promise<CommitRequest> {
  const version = Number(request.change.info["to"]);
  const then = await log.snapshot({ version });
  const back = landedPartitions(then.txns).map(({ logId, topicId, partition, cursor }) => ({
    appId: `muara:land:${logId}:${topicId}:${partition}`,
    version: BigInt(cursor),
  }));
  return { ...request, change: { ...request.change, txns: [...request.change.txns, ...back] } };
}

function forgetsIds(request: CommitRequest): CommitRequest {
  const txns = request.change.txns.filter(({ appId }) => appId !== REMOVED_TXN);
  return { ...request, change: { ...request.change, txns } };
}

function countsNothing(request: CommitRequest): CommitRequest {
  const txns = request.change.txns.filter(({ appId }) => !appId.startsWith(`${REMOVED_TXN}:`));
  return { ...request, change: { ...request.change, txns } };
}

/** The commit says an hour less than it was decided by. */
function early(request: CommitRequest): CommitRequest {
  const { info } = request.change;
  const beforeMs = Number(info["beforeMs"]) - 3_600_000;
  return { ...request, change: { ...request.change, info: { ...info, beforeMs } } };
}

/** What is listed is held against the table as it was first seen. */
function listsLast(ports: KeeperPorts, world: World): KeeperPorts {
  const seen = world.firstSeen;
  const changed = withTables(ports, (log, name) => ({
    snapshot: async (at) => {
      const newest = await log.snapshot(at);
      if (at !== undefined) return newest;
      const first: TableSnapshot = seen.get(name) ?? newest;
      seen.set(name, first);
      return first;
    },
  }));
  return { ...changed, sweepAfterMs: 0 };
}

function keepsNothing(ports: KeeperPorts): KeeperPorts {
  return withTables(ports, (log) => ({
    snapshot: async (at) => {
      const snapshot = await log.snapshot(at);
      const { metadata } = snapshot;
      if (!metadata) return snapshot;
      const kept = { "delta.deletedFileRetentionDuration": "interval 0 seconds" };
      const configuration = { ...metadata.configuration, ...kept };
      Object.defineProperty(snapshot, "metadata", { value: { ...metadata, configuration } });
      return snapshot;
    },
  }));
}

/** Where a file is gone meanwhile, the rest is taken away, and everything is written. */
function overRemoval(ports: KeeperPorts): KeeperPorts {
  return withCommits(ports, "compact", async (request, log) => {
    const { files } = await log.snapshot();
    const remove = request.change.remove.filter(({ path }) => files.has(path));
    return { ...request, base: await log.snapshot(), change: { ...request.change, remove } };
  });
}

type Rows = readonly (readonly unknown[])[];

/** Of what is put together. */
function withRewritten(ports: KeeperPorts, change: (rows: Rows) => Rows): KeeperPorts {
  return spoiled(ports, (file) => {
    const names = [...file.columns.keys()];
    return fileOf(names, [...change(rowsOf(file, names))]);
  });
}

function staleOutput(ports: KeeperPorts): KeeperPorts {
  const last = new Map<string, LightFile>();
  return spoiled(ports, (file, { table }) => {
    const before = last.get(table);
    last.set(table, file);
    return before ?? file;
  });
}

function spoiled(ports: KeeperPorts, spoil: Spoil): KeeperPorts {
  return { ...ports, rewriter: { rewrite: (request, signal) => lightRewrite(request, signal, spoil) } };
}

function skewedLease(ports: KeeperPorts, world: World): KeeperPorts {
  const inner = ports.store;
  const get = async (path: string): Promise<Uint8Array | undefined> => {
    const bytes = await inner.get(path);
    if (!bytes || !path.endsWith("_compact.lease")) return bytes;
    const lease = JSON.parse(new TextDecoder().decode(bytes)) as { owner: string; until: number };
    const until = lease.until + (world.random.fraction() < 0.5 ? -3_600_000 : 3_600_000);
    return new TextEncoder().encode(JSON.stringify({ ...lease, until }));
  };
  const store = new Proxy(inner, {
    get: (target, name) => {
      if (name === "get") return get;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
  return { ...ports, store };
}
