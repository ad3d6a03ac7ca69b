/** Changes of a captured table, written by hand as core/change.ts describes them. */
import { type ChangeKind, changeId, CAPTURED_ANNOTATION, DATA_OPS } from "../../../core/change.ts";
import type { EventType } from "../../../core/event-type.ts";
import type { RecordParts } from "../../../core/record.ts";
import { eventType } from "../../workers/land/setup.ts";

export const ACCOUNTS = "shop1.public.accounts";

export interface Change {
  readonly shard?: string;
  readonly incarnation?: number;
  readonly lsn: number;
  readonly index?: number;
  readonly change: ChangeKind;
  /** null: a table without one. */
  readonly key?: readonly unknown[] | null;
  readonly data?: Readonly<Record<string, unknown>>;
  readonly unchanged?: readonly string[];
  readonly before?: Readonly<Record<string, unknown>>;
  /** Of the commit, ms since 1970 UTC. */
  readonly atMs?: number;
}

export const EPOCH_MS: number = Date.parse("2026-03-01T10:00:00Z");

/** A change as the record of the log that the capture appends. */
export function changeRecord(given: Change): RecordParts {
  const {
    shard = "shop1",
    incarnation = 7,
    lsn,
    index = 0,
    change,
    key,
    data = {},
    unchanged,
    before,
  } = given;
  const eid = changeId({ incarnation, lsn: BigInt(lsn), index });
  const occurred = new Date(given.atMs ?? EPOCH_MS + lsn).toISOString();
  const source = { shard, incarnation, lsn, index, xid: lsn, change, ...(unchanged ? { unchanged } : {}) };
  const event = {
    metadata: { eid, occurred_at: occurred.replace("Z", "000Z") },
    data_op: DATA_OPS[change],
    data_type: "public.accounts",
    source,
    ...(before ? { before } : {}),
    data,
  };
  return {
    payload: new TextEncoder().encode(JSON.stringify(event)),
    ...(key ? { key: JSON.stringify(key) } : {}),
  };
}

export function capturedType(properties: Readonly<Record<string, object>>, name = ACCOUNTS): EventType {
  return eventType({
    name,
    category: "data",
    annotations: { [CAPTURED_ANNOTATION]: "on" },
    schema: { type: "json_schema", schema: JSON.stringify({ type: "object", properties }) },
  });
}
