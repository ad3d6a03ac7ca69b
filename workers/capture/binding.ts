/**
 * What becomes of a relation's changes: its event type is declared, or grows by what is new, before the first change of
 * the new form goes into the log.
 */
import type { Capture } from "../../core/capture.ts";
import { MuaraError } from "../../core/errors.ts";
import type { OutboxBinding, SourceBinding, SourceRelation } from "../../core/ports/source.ts";
import type { SourceDatabase, SourceTable } from "../../core/ports/source-database.ts";
import type { DeclarePorts } from "../ingest/declaration.ts";
import { ensureCapturedType } from "./event-types.ts";
import type { TypedColumn } from "./property-merge.ts";

export interface BoundTable {
  readonly eventType: string;
  readonly partition: number;
}

export class Binder {
  readonly #ports: DeclarePorts;
  readonly #capture: Capture;
  readonly #database: Pick<SourceDatabase, "types" | "tables">;
  /** By `schema.table`. */
  readonly #tables: ReadonlyMap<string, BoundTable>;

  constructor(
    ports: DeclarePorts,
    capture: Capture,
    database: Pick<SourceDatabase, "types" | "tables">,
    tables: ReadonlyMap<string, BoundTable>,
  ) {
    this.#ports = ports;
    this.#capture = capture;
    this.#database = database;
    this.#tables = tables;
  }

  /** @returns null for what is not captured @throws source.*, event_type.*, capture.conflict */
  async bind(relation: SourceRelation): Promise<SourceBinding | OutboxBinding | null> {
    const table = `${relation.schema}.${relation.name}`;
    const { outbox } = this.#capture;
    if (table === outbox?.table) return { outbox: outboxColumns(relation, outbox) };
    const bound = this.#tables.get(table);
    if (!bound) return null;
    const { eventType, partition } = bound;
    const { name, by, owning_application: owningApplication, keys, shard } = this.#capture;
    const types = await this.#database.types(relation.columns);
    const columns = relation.columns.map((column, i): TypedColumn => ({ ...types[i]!, name: column.name }));
    const known = (await this.#database.tables([table])).get(table);
    const { version, names } = await ensureCapturedType(this.#ports, {
      eventType,
      table,
      columns,
      owningApplication,
      by,
    });
    return {
      stream: eventType,
      partition,
      header: JSON.stringify({ schema_version: version, published_by: `capture:${name}` }),
      fields: types.map(({ form, element }, i) => ({
        name: names[i]!,
        form,
        ...(element === undefined ? {} : { element }),
      })),
      key: keyOf(relation, known),
      keyScope: keys === "shard" ? shard : null,
    };
  }
}

/** @throws capture.stopped where the table has no such columns */
function outboxColumns(
  { columns }: SourceRelation,
  { table, event_type, payload }: NonNullable<Capture["outbox"]>,
): OutboxBinding["outbox"] {
  const placeOf = (wanted: string): number => {
    const place = columns.findIndex(({ name }) => name === wanted);
    if (place >= 0) return place;
    throw new MuaraError("capture.stopped", `The outbox table ${table} has no column "${wanted}".`, {
      details: { table, column: wanted },
    });
  };
  return { eventType: placeOf(event_type), payload: placeOf(payload) };
}

/**
 * The catalog has the order of a key's columns, the relation which they were when the change was made. Under the
 * identity `full` the relation flags all of them.
 */
export function keyOf(
  relation: SourceRelation,
  known: Pick<SourceTable, "key"> | undefined,
): readonly number[] {
  const places = (known?.key ?? []).map((name) =>
    relation.columns.findIndex((column) => column.name === name),
  );
  const isThere = places.every((place) => place >= 0);
  if (relation.identity === "full" || relation.identity === "nothing") return isThere ? places : [];
  const flagged = relation.columns.flatMap(({ isKey }, i) => (isKey ? [i] : []));
  return isThere && places.length === flagged.length && places.every((place) => flagged.includes(place))
    ? places
    : flagged;
}
