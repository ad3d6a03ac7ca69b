/** The rows of one batch into their table, by its mode, within a transaction that somebody else ends. */
import type { Client } from "pg";
import type { PostgresTarget } from "../../core/delivery.ts";
import type { SinkBatch } from "../../core/ports/sink.ts";
import { rowsOf } from "./connection.ts";
import {
  deleteRows,
  lookUp,
  type Merging,
  mergeRows,
  stageRows,
  type StagedKey,
  type StagedRow,
  truncateShard,
} from "./sink-apply.ts";
import {
  type Carried,
  carriedOf,
  cellOf,
  changeOf,
  type Entry,
  foldChanges,
  type Folded,
  type Version,
} from "./sink-changes.ts";
import { SHARD, type TargetPlan } from "./sink-columns.ts";
import type { Shape } from "./sink-copy.ts";
import { REPLACED_ROWS, replaceRows, type WholeRows } from "./sink-replace.ts";
import { foldRows } from "./sink-rows.ts";
import type { Step } from "./sink-step.ts";
import { quotedTable, type TableName } from "./sink-table.ts";

export interface BatchPlace {
  /** Of the delivery's declaration. */
  readonly id: string;
  readonly table: TableName;
  readonly mode: PostgresTarget["mode"];
  /** undefined: nothing is known of the table; a batch has nothing but truncates then. */
  readonly shape: Shape | undefined;
  /** Nothing is taken for granted: equal keys may have several texts, and rows may be older than what is there. */
  readonly isCareful: boolean;
}

/** @returns rows that the next batch may want @throws RefusedRow, and whatever the server says */
export async function writeBatch(
  client: Client,
  place: BatchPlace,
  { rows, hasMore }: SinkBatch,
  step: Step,
): Promise<Step["carried"]> {
  const { mode, shape, isCareful } = place;
  if (!shape) {
    const truncates = new Map(rows.map(changeOf).map((change) => [change.shard, change]));
    await truncate(client, place, truncates, hasMore);
    return {};
  }
  if (mode === "state") return writeChanges(client, { ...place, shape }, { rows, hasMore }, step);
  const { columns, replaces } = shape.plan;
  const folded = foldRows(mode, shape.plan, rows);
  const whole: WholeRows = {
    count: folded.length,
    cell: (row, column) => columns[column]!.text(folded[row]!.values),
  };
  if (replaces && !isCareful && (await replace(client, shape, whole))) return {};
  const staged = folded.map((row): StagedRow => {
    return { cells: columns.map(({ text }) => text(row.values)), id: null };
  });
  const sets = await stageRows(client, shape, staged);
  await mergeRows(client, shape, { sets, delivery: undefined, isCareful });
  return {};
}

/** @returns false where they have to go the other way @throws NotPlain */
async function replace(client: Client, shape: Shape, rows: WholeRows): Promise<boolean> {
  return rows.count >= REPLACED_ROWS && (await replaceRows(client, shape, rows));
}

async function writeChanges(
  client: Client,
  place: BatchPlace & { readonly shape: Shape },
  { rows, hasMore }: Pick<SinkBatch, "rows" | "hasMore">,
  step: Step,
): Promise<Step["carried"]> {
  const { id, shape, isCareful } = place;
  const { plan } = shape;
  const folded = foldChanges(plan, rows, step.carried);
  const found = await lookUp(client, shape, folded.wanted.map(stagedKey));
  folded.wanted.forEach((entry, i) => (entry.found = found[i]));
  await truncate(client, place, folded.truncates, hasMore);
  await deleteRows(client, shape, folded.deletes.map(stagedKey));
  const delivery = step.hasDeleted ? id : undefined;
  await upsert(client, shape, folded.upserts, { delivery, isCareful });
  if (hasMore) await remember(client, id, plan, folded.deletes);
  // Whatever comes with a later version of the table is newer.
  else if (step.hasDeleted) await rowsOf(client, "delete from muara.deleted where delivery = $1", [id]);
  return carriedOn(plan, folded, step.carried);
}

async function upsert(
  client: Client,
  shape: Shape,
  entries: readonly Entry[],
  { delivery, isCareful }: Pick<Merging, "delivery" | "isCareful">,
): Promise<void> {
  if (entries.length === 0) return;
  const { plan } = shape;
  const isWhole = entries.every((entry) =>
    [...entry.kept].every((place) => cellOf(plan, entry, place) !== undefined),
  );
  const whole: WholeRows = {
    count: entries.length,
    cell: (row, place) => cellOf(plan, entries[row]!, place),
  };
  if (isWhole && !isCareful && delivery === undefined && (await replace(client, shape, whole))) return;
  const sets = await stageRows(client, shape, stagedRows(plan, entries));
  await mergeRows(client, shape, { sets, delivery, isCareful });
}

function* stagedRows(plan: TargetPlan, entries: readonly Entry[]): Generator<StagedRow> {
  for (const entry of entries)
    yield { cells: plan.columns.map((_, place) => cellOf(plan, entry, place)), id: idOf(plan, entry.key) };
}

function stagedKey({ key, change }: Entry): StagedKey {
  return { key, shard: change.shard, version: change };
}

/** By which a deleted row is remembered, beside its shard; no key is "". */
function idOf({ key: names }: TargetPlan, key: readonly string[]): string {
  return JSON.stringify(key.filter((_, i) => names[i] !== SHARD));
}

function carriedOn(
  plan: TargetPlan,
  { last, shards }: Folded,
  before: Readonly<Record<string, Carried>>,
): Readonly<Record<string, Carried>> {
  const rest = Object.entries(before).filter(([shard]) => !shards.has(shard));
  const now = [...last].map(([shard, entry]) => [shard, carriedOf(plan, entry)] as const);
  return Object.fromEntries([...rest, ...now]);
}

async function truncate(
  client: Client,
  { id, table }: BatchPlace,
  truncates: ReadonlyMap<string, Version>,
  hasMore: boolean,
): Promise<void> {
  if (truncates.size === 0) return;
  const [found] = await rowsOf<{ there: boolean }>(client, "select to_regclass($1) is not null as there", [
    quotedTable(table),
  ]);
  for (const [shard, version] of truncates) {
    if (found?.there === true) await truncateShard(client, table, shard, version);
    if (hasMore) await rememberAll(client, id, [{ shard, key: "", version }]);
  }
}

async function remember(
  client: Client,
  id: string,
  plan: TargetPlan,
  deletes: readonly Entry[],
): Promise<void> {
  if (deletes.length === 0) return;
  await rememberAll(
    client,
    id,
    deletes.map(({ key, change }) => ({ shard: change.shard, key: idOf(plan, key), version: change })),
  );
}

async function rememberAll(
  client: Client,
  id: string,
  deleted: readonly { readonly shard: string; readonly key: string; readonly version: Version }[],
): Promise<void> {
  await rowsOf(
    client,
    `insert into muara.deleted as t
     select $1, x.shard, x.key, x.incarnation, x.lsn, x.index
     from unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[])
       as x(shard, key, incarnation, lsn, index)
     on conflict (delivery, shard, key) do update
     set incarnation = excluded.incarnation, lsn = excluded.lsn, index = excluded.index
     where (t.incarnation, t.lsn, t.index) < (excluded.incarnation, excluded.lsn, excluded.index)`,
    [
      id,
      deleted.map(({ shard }) => shard),
      deleted.map(({ key }) => key),
      ...(["incarnation", "lsn", "index"] as const).map((name) =>
        deleted.map(({ version }) => String(version[name])),
      ),
    ],
  );
}
