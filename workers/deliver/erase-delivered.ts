/**
 * A subject's rows where a delivery has brought them, and in its dead letters. Once the delivery has passed the version
 * without them, so that none can follow.
 */
import type { Clock } from "../../core/clock.ts";
import { DELIVERY_FOLDER, type DeliveryPosition } from "../../core/delivery.ts";
import { DELIVERY_ERASURE, type DeliveryErasure, pendingErasures } from "../../core/delivery-erasure.ts";
import type { Logger } from "../../core/logger.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { Sink, SinkColumn } from "../../core/ports/sink.ts";
import type { Declaration, Registry } from "../../core/registry.ts";

const decoder = new TextDecoder();

export interface EraseDeliveredPorts {
  readonly registry: Registry;
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** @returns whether nothing is left to do for now @throws declaration.conflict, store.unavailable */
export async function eraseDelivered(
  ports: EraseDeliveredPorts,
  sink: Sink,
  position: DeliveryPosition,
  columns: readonly SinkColumn[],
  signal: AbortSignal,
): Promise<boolean> {
  const isWhole = position.snapshot === null && columns.length > 0;
  let isDone = true;
  for (const one of pendingErasures(ports.registry, position.id)) {
    const isPassed = isWhole && position.version >= one.value!.version;
    if (!isPassed || !(await eraseOne(ports, sink, one, columns, signal))) isDone = false;
  }
  return isDone;
}

async function eraseOne(
  { registry, store, clock, logger }: EraseDeliveredPorts,
  sink: Sink,
  { name, revision, value }: Declaration<DeliveryErasure>,
  columns: readonly SinkColumn[],
  signal: AbortSignal,
): Promise<boolean> {
  const { column, value: subject, deliveryId, delivery, erasure } = value!;
  await eraseLetters(store, deliveryId, column, subject!);
  const gone = await sink.erase?.({ id: name, column, value: subject!, columns }, signal);
  if (sink.erase && !gone) return false;
  const rows = gone?.rows ?? null;
  await registry.put(DELIVERY_ERASURE, name, revision, {
    ...value!,
    value: null,
    rows,
    doneMs: clock.nowMs(),
  });
  logger.info("a delivery has erased a subject's rows", { delivery, erasure, rows });
  return true;
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

function isOf(letter: string, column: string, subject: string): boolean {
  const { row } = JSON.parse(letter) as { row: unknown };
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
