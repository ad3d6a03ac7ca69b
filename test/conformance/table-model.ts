/**
 * A plain second opinion on a Delta log: reads the commit files straight from the store and folds them into
 * ordinary maps. It shares no code with lake/table, knows no checkpoints and copies everything.
 */
import assert from "node:assert/strict";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { TableSnapshot } from "../../core/ports/table-log.ts";

export interface ModelState {
  readonly version: number;
  readonly timestampMs: number;
  readonly tableId: string | undefined;
  /** size by path */
  readonly files: ReadonlyMap<string, number>;
  readonly txns: ReadonlyMap<string, bigint>;
}

export const logPath = (table: string, version: number): string =>
  `${table}/_delta_log/${"0".repeat(20 - String(version).length)}${version}.json`;

/** Parsed actions of one version; integers as bigint. */
export async function actionsOf(
  store: ObjectStore,
  table: string,
  version: number,
): Promise<readonly Record<string, Record<string, unknown>>[] | undefined> {
  const bytes = await store.get(logPath(table, version));
  if (bytes === undefined) return undefined;
  const lines = new TextDecoder().decode(bytes).trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line.replace(/("version":)(-?\d+)/g, '$1"$2"')));
}

/** The states after each version, from 0. [version] */
export async function replay(store: ObjectStore, table: string): Promise<readonly ModelState[]> {
  const states: ModelState[] = [];
  const files = new Map<string, number>();
  const txns = new Map<string, bigint>();
  let tableId: string | undefined;
  for (let version = 0; ; version++) {
    const actions = await actionsOf(store, table, version);
    if (actions === undefined) return states;
    let timestampMs = 0;
    for (const { commitInfo, metaData, txn, add, remove } of actions) {
      if (commitInfo) timestampMs = Number(commitInfo["timestamp"]);
      if (metaData) tableId = String(metaData["id"]);
      if (txn) txns.set(String(txn["appId"]), BigInt(String(txn["version"])));
      if (remove)
        assert.ok(files.delete(String(remove["path"])), `version ${version} removes what is not live`);
      if (add) {
        assert.ok(!files.has(String(add["path"])), `version ${version} adds what is live`);
        files.set(String(add["path"]), Number(add["size"]));
      }
    }
    const before = states.at(-1);
    assert.ok(!before || before.timestampMs < timestampMs, `the time of version ${version} does not grow`);
    states.push({ version, timestampMs, tableId, files: new Map(files), txns: new Map(txns) });
  }
}

/** A snapshot in the model's words. */
export function summarize(snapshot: TableSnapshot): ModelState {
  const { version, timestampMs } = snapshot;
  const files = new Map([...snapshot.files].map(([path, file]) => [path, file.size]));
  return { version, timestampMs, tableId: snapshot.metadata?.id, files, txns: new Map(snapshot.txns) };
}

/** Equal, whatever the order of the maps. */
export function assertSameState(
  actual: ModelState,
  expected: ModelState | undefined,
  message?: string,
): void {
  const sorted = (state: ModelState | undefined): unknown =>
    state && {
      ...state,
      files: [...state.files].map(([path, size]) => `${path}=${size}`).sort(),
      txns: [...state.txns].map(([appId, version]) => `${appId}=${version}`).sort(),
    };
  assert.deepEqual(sorted(actual), sorted(expected), message);
}
