/** What the columns that Muara itself gives a table say. Fields of an event are described by its schema. */
import { CURRENT_SLICE, EXTRA, INGEST_DATE } from "./columns.ts";

type Descriptions = Readonly<Record<string, string>>;

const LOG: Descriptions = {
  log_partition: "Partition of the log in which the record lies.",
  log_offset: "The record's place in its partition of the log, counted from 0.",
  ingest_time: "When the log accepted the event, UTC.",
  flow_id: "X-Flow-Id of the request that published the event; follows it through every process.",
  [INGEST_DATE]: "UTC day of ingest_time; the table's files are partitioned by it.",
};

const EVENT: Descriptions = {
  ...LOG,
  event_id: "The event's own id; of events of one id within the horizon, one lands.",
  event_time: "When the event happened, by its producer, UTC.",
  event_key: "The key by which the event was put into its partition; empty where it has none.",
  watermark: "The table's watermark before the commit that brought the row: late is event_time < watermark.",
  [EXTRA]: "JSON text of whatever the schema does not name.",
  data_op: "What happened to the row of the source: C created, U updated, D deleted, S as it was found.",
  data_type: "Of which kind the changed row is: for captures, its table in the source.",
  [CURRENT_SLICE]: "Part of the table in which the row's key lies, by hash.",
};

const LEDGER: Descriptions = {
  ...LOG,
  event_type: "The event type that it is about.",
  event_id: "Id of the event; empty where it could not be read.",
  event_key: EVENT["event_key"]!,
  log_id: "The log in which the record lies.",
  topic_id: "Which life of the event type's stream it is: one that was deleted and made again has another.",
  table_version: "Version of the event type's table that counted it.",
  ingest_hour: "UTC hour in which the log accepted what is counted.",
  from_offset: "First offset of what is counted.",
  to_offset: "Offset behind the last of what is counted.",
  landed: "How many landed.",
  duplicates: "How many had landed before.",
  dead_letters: "How many could not land.",
  gap: "How many offsets held no record.",
  committed_at: "When the commit was made, UTC.",
  dead_letter_id: "Id of the dead letter, by which it is replayed.",
  reason: "Code of why it could not land; empty where it did.",
  pointer: "JSON Pointer to the field that is to blame.",
  detail: "What is wrong with it, in words.",
  payload: "The event's bytes as they were published.",
  header: "What the door knew of the event beside its bytes, JSON text.",
  bytes_hash: "Hash of the event's bytes.",
  verdict: "Whether its bytes were those of the event that landed: identical, different, or unknown.",
  first_partition: "Partition of the log in which the event that landed lies.",
  first_offset: "Offset of the event that landed.",
  outcome: "What became of the dead letter when it was published again.",
  corrected: "Whether it was corrected before.",
  replayed_by: "Who published it again.",
};

const JOB: Descriptions = {
  row_id: "Id of the row, which no other row of the table has.",
  watermark: EVENT["watermark"]!,
};

const BY_KIND: Readonly<Record<string, Descriptions>> = {
  event_type: EVENT,
  current: EVENT,
  ledger: LEDGER,
  job: JOB,
};

/**
 * @param kind of the table, as `GET /v1/tables` says it
 * @returns null where nothing is written about it
 */
export function ownColumnDescription(kind: string, column: string): string | null {
  const found = BY_KIND[kind];
  return found && Object.hasOwn(found, column) ? found[column]! : null;
}
