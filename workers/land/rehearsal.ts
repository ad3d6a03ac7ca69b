/**
 * What landing would say of payloads that are not in the log: the same judge, over records that nobody stored and an
 * empty id set. It knows nothing of what has landed before, so a duplicate is one among the payloads themselves.
 */
import type { Clock } from "../../core/clock.ts";
import type { EventType } from "../../core/event-type.ts";
import type { Kernel } from "../../core/kernel.ts";
import { freshPartition } from "../../core/landed.ts";
import { packRecords, type ReadBatch } from "../../core/record.ts";
import { createEventEncoder } from "../../lake/parquet/event-encoder.ts";
import { ZSTD } from "../../lake/parquet/zstd.ts";
import { DEAD, type DeadReason, DUPLICATE, Judge, type JudgeOptions } from "./judge.ts";

export interface Rehearsed {
  readonly fate: "landed" | "duplicate" | "dead_letter";
  /** null where landing cannot read one; also for a type whose events have none. */
  readonly eventId: string | null;
  /** Of a dead letter. */
  readonly reason: DeadReason | undefined;
}

/** Which secret hashes the ids does not matter: the set lives only here. */
const SECRET = new Uint8Array(16);

/** @returns [payload] */
export async function rehearse(
  services: { readonly kernel: Kernel; readonly clock: Clock },
  options: JudgeOptions & { readonly eventBytes: number; readonly depth: number },
  type: EventType,
  payloads: readonly Uint8Array[],
): Promise<Rehearsed[]> {
  const limits = { maxBytes: options.eventBytes, maxDepth: options.depth };
  const encoder = createEventEncoder(services.kernel, type, limits, ZSTD);
  const ids = services.kernel.createIdentitySet();
  const judge = new Judge(services, options, type, SECRET, encoder);
  const partition = freshPartition("-", "-", 0);
  try {
    const judged = await judge.decide([batchOf(payloads, services.clock.nowMs())], [partition], ids);
    return payloads.map((_, row) => ({
      fate:
        judged.fates[row] === DEAD ? "dead_letter" : judged.fates[row] === DUPLICATE ? "duplicate" : "landed",
      eventId: encoder.eventId(row),
      reason: judged.reasons.get(row),
    }));
  } finally {
    ids.destroy();
    encoder.destroy();
  }
}

function batchOf(payloads: readonly Uint8Array[], nowMs: number): ReadBatch {
  const count = payloads.length;
  return {
    ...packRecords(payloads.map((payload) => ({ payload }))),
    stream: "-",
    partition: 0,
    offsets: Float64Array.from({ length: count }, (_, i) => i),
    ingestMs: new Float64Array(count).fill(nowMs),
    next: count,
    endOffset: count,
  };
}
