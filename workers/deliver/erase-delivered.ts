/**
 * A subject's rows where a delivery has brought them, and in its dead letters. Once the delivery has passed the version
 * without them, so that none can follow.
 */
import type { Column } from "../../core/columns.ts";
import type { Clock } from "../../core/clock.ts";
import { DELIVERY_FOLDER, type DeliveryPosition } from "../../core/delivery.ts";
import { DELIVERY_ERASURE, type DeliveryErasure, pendingErasures } from "../../core/delivery-erasure.ts";
import type { Logger } from "../../core/logger.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { Sink, SinkColumn, SinkErasure } from "../../core/ports/sink.ts";
import type { Declaration, Registry } from "../../core/registry.ts";

const decoder = new TextDecoder();

export interface EraseDeliveredPorts {
  readonly registry: Registry;
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * @param told reasons that were logged, by erasure
 * @returns whether nothing is left to do for now
 * @throws declaration.conflict, store.unavailable
 */
export async function eraseDelivered(
  ports: EraseDeliveredPorts,
  sink: Sink,
  position: DeliveryPosition,
  columns: readonly SinkColumn[],
  told: Map<string, string>,
  signal: AbortSignal,
): Promise<boolean> {
  const hasDelivered = position.delivered > 0;
  const isWhole = position.snapshot === null && columns.length > 0;
  let isDone = true;
  for (const one of pendingErasures(ports.registry, position.id)) {
    const isPassed = isWhole && position.version >= one.value!.version;
    const reason = isPassed ? await eraseOne(ports, sink, one, { columns, hasDelivered }, signal) : undefined;
    if (!isPassed || reason !== undefined) isDone = false;
    if (reason === undefined || signal.aborted || told.get(one.name) === reason) continue;
    told.set(one.name, reason);
    const { delivery, erasure } = one.value!;
    ports.logger.warn("a delivery cannot erase for now", { delivery, erasure, reason });
  }
  return isDone;
}

/** @returns what is in the way */
async function eraseOne(
  { registry, store, clock, logger }: EraseDeliveredPorts,
  sink: Sink,
  { name, revision, value }: Declaration<DeliveryErasure>,
  known: Pick<SinkErasure, "columns" | "hasDelivered">,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { value: subject, deliveryId, delivery, erasure } = value!;
  const column = exactPath(known.columns, value!.column);
  await eraseLetters(store, deliveryId, column, subject!);
  const gone = await sink.erase?.({ id: name, column, value: subject!, ...known }, signal);
  if (sink.erase && (!gone || "reason" in gone)) return gone?.reason ?? "not now";
  const rows = gone && "rows" in gone ? gone.rows : null;
  await registry.put(DELIVERY_ERASURE, name, revision, {
    ...value!,
    value: null,
    rows,
    doneMs: clock.nowMs(),
  });
  logger.info("a delivery has erased a subject's rows", { delivery, erasure, rows });
  return undefined;
}

/** Dead letters of the delivery hold whole rows. */
async function eraseLetters(
  store: ObjectStore,
  deliveryId: string,
  column: string,
  subject: string,
): Promise<void> {
  for (const { path } of await store.list(`${DELIVERY_FOLDER}/${deliveryId}`)) {
    const bytes = await store.get(path);
    if (bytes && isOf(decoder.decode(bytes), column, subject)) await store.delete(path);
  }
}

/** As the table writes it: the lake has found it whatever its letters' case. */
export function exactPath(columns: readonly SinkColumn[], column: string): string {
  let fields: readonly Column[] = columns;
  const names = column.split(".").map((name) => {
    const found = fields.find((one) => one.name.toLowerCase() === name.toLowerCase());
    fields = found?.type.kind === "struct" ? found.type.fields : [];
    return found?.name ?? name;
  });
  return names.join(".");
}

function isOf(letter: string, column: string, subject: string): boolean {
  const { row } = JSON.parse(letter) as { row: Readonly<Record<string, unknown>> | null };
  // What the row of a change was before it is the subject's, too.
  return isAt(row, column, subject) || isAt(asObject(row?.["before"]), column, subject);
}

/** JSON text, or what it stands for. */
function asObject(before: unknown): unknown {
  return typeof before === "string" ? JSON.parse(before) : before;
}

function isAt(row: unknown, column: string, subject: string): boolean {
  const found = column
    .split(".")
    .reduce<unknown>(
      (node, key) =>
        typeof node === "object" && node !== null ? (node as Record<string, unknown>)[key] : undefined,
      row,
    );
  const isPlain = typeof found === "string" || typeof found === "number" || typeof found === "boolean";
  return isPlain && String(found) === subject;
}
