/**
 * The encoder of the simulator: the kernel's scan and the plain decoder, rows that stay objects. It stands in the place
 * of lake/parquet/event-encoder.ts, whose kernel columns and Parquet have tests of their own.
 */
import { planColumns } from "../../core/columns.ts";
import type { EventType } from "../../core/event-type.ts";
import type { ScanLimits } from "../../core/kernel-plan.ts";
import type { Kernel } from "../../core/kernel.ts";
import {
  headerOf,
  keyOf,
  PAYLOAD_AT,
  PAYLOAD_LENGTH,
  type ReadBatch,
  RECORD_WORDS,
} from "../../core/record.ts";
import {
  type EnvelopeColumns,
  envelopeScan,
  type EncodedFile,
  type EventEncoder,
  type Rejection,
  type Scanned,
} from "../../lake/parquet/event-encoder.ts";
import { createPlainEncoder } from "../oracle/parquet/plain-encoder.ts";

export type { EncodedFile, EventEncoder, Rejection };

const decoder = new TextDecoder();
/** A row that the plain decoder has no slot for. */
const NO_SLOT = -1;

export function createEventEncoder(kernel: Kernel, type: EventType, limits: ScanLimits): EventEncoder {
  const { paths, places } = envelopeScan(type);
  const plan = kernel.plan(paths, limits);
  const plain = createPlainEncoder(planColumns(type));
  const slots: number[] = [];
  const eventIds: (string | null)[] = [];
  const flowIds: (string | null)[] = [];
  const keys: (string | null)[] = [];
  const partitions: number[] = [];
  const offsets: number[] = [];

  const scan = (batch: ReadBatch, secret: Uint8Array, place: string): Scanned => {
    const scanned = kernel.scanRecords(plan, batch, secret);
    const { verdicts } = scanned;
    const rejections = new Map<number, Rejection>();
    for (let i = 0; i < batch.count; i++) {
      eventIds.push(places.id < 0 ? place + batch.offsets[i]! : scanned.text(places.id, i));
      flowIds.push((places.flowId < 0 ? null : scanned.text(places.flowId, i)) ?? headerFlowId(batch, i));
      const key = keyOf(batch, i);
      keys.push(key && decoder.decode(key));
      partitions.push(batch.partition);
      offsets.push(batch.offsets[i]!);
      const at = batch.index[i * RECORD_WORDS + PAYLOAD_AT]!;
      const length = batch.index[i * RECORD_WORDS + PAYLOAD_LENGTH]!;
      const slot = plain.rows;
      const rejection = verdicts[i] === 0 ? plain.add(batch.bytes, at, length) : undefined;
      if (rejection) rejections.set(i, rejection);
      slots.push(verdicts[i] === 0 && !rejection ? slot : NO_SLOT);
    }
    return { scan: scanned, rejections };
  };

  /** Values by row become values by slot. */
  const bySlot = <T>(values: ArrayLike<T>): T[] => {
    const result: T[] = [];
    slots.forEach((slot, row) => {
      if (slot !== NO_SLOT) result[slot] = values[row]!;
    });
    return result;
  };

  const reset = (): void => {
    plain.reset();
    for (const list of [slots, eventIds, flowIds, keys, partitions, offsets]) list.length = 0;
  };

  return {
    places,
    get rows() {
      return slots.length;
    },
    scan,
    eventId: (row) => eventIds[row] ?? null,
    write: async (rows: Uint32Array, envelope: EnvelopeColumns) =>
      plain.write(
        rows.map((row) => slots[row]!),
        {
          eventIds: bySlot(eventIds).map((id) => id ?? ""),
          eventTimesUs: BigInt64Array.from(bySlot(envelope.eventTimesUs)),
          ingestMs: Float64Array.from(bySlot(envelope.ingestMs)),
          keys: bySlot(keys),
          partitions: Int32Array.from(bySlot(partitions)),
          offsets: Float64Array.from(bySlot(offsets)),
          flowIds: bySlot(flowIds),
          watermarkUs: envelope.watermarkUs,
        },
      ),
    reset,
    destroy: () => {
      reset();
      plan.destroy();
    },
  };
}

function headerFlowId(batch: ReadBatch, i: number): string | null {
  const header = decoder.decode(headerOf(batch, i));
  const { flow_id: flowId } = (header === "" ? {} : JSON.parse(header)) as { flow_id?: string };
  return flowId ?? null;
}
