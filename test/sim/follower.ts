/**
 * A consumer that reads a table commit by commit and the files that a commit names, as a projection of rows does. How
 * far it is, it keeps beside what it made of it, in one step; for its sake the sweeper keeps what it has still to read.
 */
import assert from "node:assert/strict";
import { hasCode } from "../../core/errors.ts";
import type { TableCommit, TableLog } from "../../core/ports/table-log.ts";
import { below, pick } from "./events.ts";
import { forgive, Helper, type Machine } from "./helpers.ts";
import { lightFile } from "./light-format.ts";
import type { World } from "./world.ts";
import type { Followed } from "./followed.ts";

export class Follower extends Helper {
  readonly #followed: Map<string, Followed>;

  /** @param followed by table; lives longer than the process */
  constructor(world: World, machine: Machine, followed: Map<string, Followed>) {
    super(world, machine);
    this.#followed = followed;
  }

  async work(isOver: () => boolean): Promise<void> {
    const { world } = this;
    while (!isOver()) {
      await this.clock.sleep(100 + below(world.random, pick(world.random, [1_000, 20_000])));
      if (!isOver() && world.types.length > 0) await this.follow(pick(world.random, world.types).name);
    }
  }

  /** As far as the table goes now, or something gets in the way. */
  async follow(name: string): Promise<void> {
    try {
      const log = this.openTable(name);
      const newest = await log.snapshot();
      for (let version = this.#versionOf(name); version < newest.version; version = this.#versionOf(name)) {
        await this.#next(log, name);
        if (this.#versionOf(name) === version) return;
      }
    } catch (error) {
      forgive(this.world, error);
    }
  }

  #versionOf(name: string): number {
    return this.#followed.get(name)?.version ?? -1;
  }

  async #next(log: TableLog, name: string): Promise<void> {
    const { version, rows } = this.#followed.get(name) ?? { version: -1, rows: new Map<string, number>() };
    let commit: TableCommit | undefined;
    try {
      commit = await log.read(version + 1);
    } catch (error) {
      if (!hasCode(error, "table.version_not_found")) throw error;
    }
    // The log's clean-up waits for nobody who is no projection.
    if (!commit) return this.#begin(log, name);
    const counts = new Map(rows);
    const add = commit.add.filter(({ dataChange }) => dataChange);
    const remove = commit.remove.filter(({ dataChange }) => dataChange);
    const changes = [
      ...add.map(({ path }) => [path, 1] as const),
      ...remove.map(({ path }) => [path, -1] as const),
    ];
    for (const [path, sign] of changes) {
      if (await this.#count(name, path, counts, sign)) continue;
      const isOvertaken = (this.world.oldest.get(name) ?? 0) > version + 1;
      assert(isOvertaken, `${name}/${path} is gone, and a consumer has still to read it`);
      return;
    }
    this.#followed.set(name, { version: version + 1, rows: counts });
  }

  async #begin(log: TableLog, name: string): Promise<void> {
    const { version, files } = await log.snapshot();
    const counts = new Map<string, number>();
    // Nobody keeps these for it: where one is gone, it begins once more.
    for (const path of files.keys()) if (!(await this.#count(name, path, counts, 1))) return;
    this.#followed.set(name, { version, rows: counts });
    this.world.faults.note("follower began again");
  }

  /** @returns false where the file is gone */
  async #count(name: string, path: string, counts: Map<string, number>, sign: 1 | -1): Promise<boolean> {
    const bytes = await this.store.get(`${name}/${path}`);
    for (const key of bytes ? keysOf(bytes) : []) counts.set(key, (counts.get(key) ?? 0) + sign);
    return bytes !== undefined;
  }
}

/** Whoever follows the rows has those of the table. @param heads versions that it has seen to, by table */
export function checkFollowed(
  world: World,
  followed: ReadonlyMap<string, Followed>,
  heads: ReadonlyMap<string, number>,
): void {
  for (const [name, { version, rows }] of followed) {
    const audit = world.audits.get(name)!;
    assert(version >= heads.get(name)!, `${name} was followed to ${version}, not to ${heads.get(name)}`);
    const expected = new Map<string, number>();
    for (const row of audit.table.rowsAt(version)) {
      const key = keyOf(row["log_partition"], row["log_offset"], row["event_id"]);
      expected.set(key, (expected.get(key) ?? 0) + 1);
    }
    const had = new Map([...rows].filter(([, count]) => count !== 0));
    assert.deepEqual(had, expected, `${name}: rows of who followed it`);
  }
}

function keysOf(bytes: Uint8Array): string[] {
  const { rows, columns } = lightFile(bytes);
  const [partitions, offsets, ids] = ["log_partition", "log_offset", "event_id"].map((name) =>
    columns.get(name),
  );
  return Array.from({ length: rows }, (_, i) => keyOf(partitions?.[i], offsets?.[i], ids?.[i]));
}

function keyOf(partition: unknown, offset: unknown, id: unknown): string {
  return `${String(partition)}/${String(offset)}/${String(id)}`;
}
