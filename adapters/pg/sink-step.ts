/**
 * How far a delivery is, in the target itself: a row of `muara.deliveries`, locked and moved in the transaction of the
 * rows. So of two processes that deliver the same one waits for the other, and finds what is done.
 */
import type { Client } from "pg";
import { rowsOf } from "./connection.ts";
import type { Carried } from "./sink-changes.ts";

export interface Step {
  readonly generation: number;
  /** Number of the row that comes next. */
  readonly next: number;
  /** Who opened the delivery last; nobody else may move it. */
  readonly epoch: number;
  /** By shard. */
  readonly carried: Readonly<Record<string, Carried>>;
  /** Whether deletes are remembered. */
  readonly hasDeleted: boolean;
}

interface StepRow {
  generation: string;
  next: string;
  epoch: string;
  carried: Record<string, Carried> | null;
  deleted: boolean;
}

/**
 * Takes the delivery over.
 * @param isFirst whether it may be one that the target does not know
 * @returns its epoch; undefined where the target does not know a delivery that has delivered
 */
export async function takeOver(
  client: Client,
  { id, name, target }: { readonly id: string; readonly name: string; readonly target: string },
  isFirst: boolean,
): Promise<number | undefined> {
  if (isFirst)
    await rowsOf(
      client,
      `insert into muara.deliveries values ($1, $2, $3, 0, 0, 0, null, null, now()) on conflict do nothing`,
      [id, name, target],
    );
  const [row] = await rowsOf<{ epoch: string }>(
    client,
    "update muara.deliveries set epoch = epoch + 1 where id = $1 returning epoch::text",
    [id],
  );
  return row && Number(row.epoch);
}

/** Within a transaction, until whose end nobody else gets it. */
export async function lockStep(client: Client, id: string): Promise<Step | undefined> {
  const [row] = await rowsOf<StepRow>(
    client,
    `select generation::text, next::text, epoch::text, carried,
       exists (select from muara.deleted x where x.delivery = d.id) as deleted
     from muara.deliveries d where id = $1 for update`,
    [id],
  );
  if (!row) return undefined;
  return {
    generation: Number(row.generation),
    next: Number(row.next),
    epoch: Number(row.epoch),
    carried: row.carried ?? {},
    hasDeleted: row.deleted,
  };
}

export async function moveStep(
  client: Client,
  id: string,
  {
    generation,
    next,
    carried,
    committedMs,
  }: Omit<Step, "epoch" | "hasDeleted"> & { readonly committedMs: number },
): Promise<void> {
  const row = Object.keys(carried).length === 0 ? null : JSON.stringify(carried);
  await rowsOf(
    client,
    `update muara.deliveries set generation = $2, next = $3, carried = $4, updated_at = now(),
       committed_at = to_timestamp($5::float8 / 1000)
     where id = $1`,
    [id, generation, next, row, committedMs],
  );
}
