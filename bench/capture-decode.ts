/**
 * Decoding alone: the messages of a recorded stream become events as bytes by our decoder; objects by the parser of
 * `pg-logical-replication`; text by that parser and JSON.stringify; and, by way of these, the same events as ours, but
 * for what that parser has lost of values. All in this process, in turns, CPU time.
 */
import { type Pgoutput, PgoutputPlugin } from "pg-logical-replication";
import { openDatabase } from "../adapters/pg/database.ts";
import { PgoutputDecoder } from "../adapters/pg/pgoutput.ts";
import { systemClock } from "../core/clock.ts";
import { changeId, DATA_OPS } from "../core/change.ts";
import { databaseAddressSchema } from "../core/database-address.ts";
import type { SourceBinding, SourceRelation } from "../core/ports/source.ts";
import type { PostgresServer } from "../test/services/postgres.ts";
import { type Backlog, PUBLICATIONS, recordMessages } from "./capture-load.ts";
import { bindAll } from "./capture-run.ts";
import { median, type Metric } from "./result.ts";

const BATCH_BYTES = 4 * 1_048_576;

interface Recorded {
  readonly messages: readonly Buffer[];
  /** All of them, one after the other; of each where it ends. */
  readonly bytes: Uint8Array;
  readonly ends: Float64Array;
  /** By the relation's oid. */
  readonly bindings: ReadonlyMap<number, SourceBinding>;
}

/** @returns changes that it saw */
type Way = (recorded: Recorded) => number;

export async function measureDecoding(
  server: PostgresServer,
  backlog: Backlog,
  rounds: number,
): Promise<Metric[]> {
  const recorded = await record(server, backlog);
  const ways: readonly (readonly [string, Way])[] = [
    ["ours, to events as bytes", decode],
    ["pg-logical-replication's objects", (given) => parse(given, (message) => message)],
    ["these as JSON", (given) => parse(given, toJson)],
    ["these as the same events", (given) => parse(given, new EventMaker().take)],
  ];
  const costs = ways.map((): number[] => []);
  for (let round = 0; round <= rounds; round++) {
    for (const [i, [name, way]] of ways.entries()) {
      const before = process.cpuUsage();
      const changes = way(recorded);
      const { user, system } = process.cpuUsage(before);
      if (changes !== backlog.changes) throw new Error(`${name}: ${changes} changes`);
      if (round > 0) costs[i]!.push(user + system); // the first round compiles
    }
  }
  const rates = costs.map((cost) => (backlog.changes / median(cost)) * 1e6);
  return ways.slice(1).map(([name], i) => ({
    name: `decode to events as bytes, against ${name}`,
    value: rates[0]!,
    unit: "changes per CPU second",
    reference: rates[i + 1]!,
    ratio: rates[0]! / rates[i + 1]!,
  }));
}

async function record(server: PostgresServer, backlog: Backlog): Promise<Recorded> {
  const messages = await recordMessages(server, backlog);
  const bytes = Buffer.concat(messages);
  const ends = new Float64Array(messages.length);
  let end = 0;
  for (const [i, message] of messages.entries()) ends[i] = end += message.length;
  const { host, port, user } = server;
  const address = databaseAddressSchema.parse({ host, port, user, database: backlog.database });
  const database = openDatabase(address, { readSecret: () => Promise.resolve(""), clock: systemClock });
  const bind = bindAll(database);
  const bindings = new Map<number, SourceBinding>();
  const decoder = newDecoder();
  for (const message of messages) {
    const relation = decoder.decode(message, 0, message.length);
    if (relation) {
      bindings.set(relation.id, await bind(relation));
      decoder.bind(relation, null);
    }
  }
  return { messages, bytes, ends, bindings };
}

function newDecoder(): PgoutputDecoder {
  return new PgoutputDecoder({ shard: "shop", incarnation: 1 });
}

function decode({ bytes, ends, bindings }: Recorded): number {
  const decoder = newDecoder();
  const { batch } = decoder;
  const bind = (relation: SourceRelation): void => decoder.bind(relation, bindings.get(relation.id)!);
  let changes = 0;
  let start = 0;
  for (const end of ends) {
    const relation = decoder.decode(bytes, start, end);
    if (relation) bind(relation);
    if (batch.bytes > BATCH_BYTES) changes += batch.take().changes;
    start = end;
  }
  return changes + batch.take().changes;
}

function parse({ messages }: Recorded, keep: (message: Pgoutput.Message) => unknown): number {
  const plugin = new PgoutputPlugin({ protoVersion: 1, publicationNames: PUBLICATIONS.split(",") });
  let changes = 0;
  for (const message of messages) {
    const parsed = plugin.parse(message);
    kept = keep(parsed) ?? kept;
    if (isChange(parsed)) changes++;
  }
  if (kept === undefined) throw new Error("nothing was kept");
  return changes;
}

/** So that nothing is optimised away. */
let kept: unknown;

type Change = Pgoutput.MessageInsert | Pgoutput.MessageUpdate | Pgoutput.MessageDelete;

function isChange(message: Pgoutput.Message): message is Change {
  return message.tag === "insert" || message.tag === "update" || message.tag === "delete";
}

/** The row alone: what it is of is an object that all rows share. */
function toJson(message: Pgoutput.Message): string | undefined {
  if (!isChange(message)) return undefined;
  return JSON.stringify(message.tag === "delete" ? message.key : message.new);
}

const KINDS = { insert: "create", update: "update", delete: "delete" } as const;

/** As one would write it at first. */
class EventMaker {
  #begin: Pgoutput.MessageBegin | undefined;
  #lsn = 0n;
  #index = 0;

  readonly take = (message: Pgoutput.Message): Buffer | undefined => {
    if (message.tag === "begin") {
      const [high, low] = message.commitLsn!.split("/");
      this.#lsn = (BigInt(`0x${high!}`) << 32n) | BigInt(`0x${low!}`);
      this.#begin = message;
      this.#index = 0;
    }
    if (!isChange(message)) return undefined;
    const { tag, relation } = message;
    const index = this.#index;
    this.#index += tag === "update" ? 2 : 1;
    const change = KINDS[tag];
    const occurred = new Date(Number(this.#begin!.commitTime.valueOf() / 1_000n)).toISOString();
    const event = {
      metadata: { eid: changeId({ incarnation: 1, lsn: this.#lsn, index }), occurred_at: occurred },
      data_op: DATA_OPS[change],
      data_type: `${relation.schema}.${relation.name}`,
      source: { shard: "shop", incarnation: 1, lsn: Number(this.#lsn), index, xid: this.#begin!.xid, change },
      data: tag === "delete" ? message.key : message.new,
    };
    return Buffer.from(JSON.stringify(event));
  };
}
