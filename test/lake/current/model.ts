/**
 * What the current state of a captured table is, said plainly: one change after the other, as they come from a shard.
 * Written from core/change.ts, without the code under test. And histories to apply it to.
 */
import * as fc from "fast-check";
import type { Change } from "./changes.ts";

/** A row as it should be seen. `unknown`: names of columns whose value nobody knows. */
export interface ModelRow {
  readonly key: string;
  readonly shard: string;
  readonly lsn: number;
  readonly index: number;
  readonly values: Readonly<Record<string, unknown>>;
  readonly unknown: readonly string[];
}

/** Everything in `data` that a row can have, members beside a column included. */
type Values = Record<string, unknown>;

interface Row {
  readonly change: Change;
  readonly values: Values;
  readonly unknown: readonly string[];
}

export class Model {
  readonly #shards = new Map<string, Map<string, Row>>();
  readonly #deleted = new Map<string, { readonly change: Change; readonly row: Row | undefined }>();

  apply(change: Change): void {
    const { shard = "shop1", key } = change;
    const rows = this.#shards.get(shard) ?? new Map<string, Row>();
    this.#shards.set(shard, rows);
    const name = key ? JSON.stringify(key) : `${change.incarnation}/${change.lsn}/${change.index}`;
    if (change.change === "truncate") rows.clear();
    else if (change.change === "delete") {
      this.#deleted.set(shard, { change, row: rows.get(name) });
      rows.delete(name);
    } else rows.set(name, this.#next(change, shard, rows.get(name)));
  }

  #next(change: Change, shard: string, present: Row | undefined): Row {
    const deleted = this.#deleted.get(shard);
    const isMoved =
      change.change === "create" &&
      deleted?.change.lsn === change.lsn &&
      deleted.change.incarnation === change.incarnation &&
      deleted.change.index === change.index! - 1;
    const earlier = change.change === "update" ? present : isMoved ? deleted.row : undefined;
    const values: Values = { ...change.data };
    const unknown: string[] = [];
    for (const name of change.unchanged ?? []) {
      if (!earlier || earlier.unknown.includes(name)) {
        unknown.push(name);
        continue;
      }
      for (const member of [name, `${name}__text`])
        if (earlier.values[member] !== undefined) values[member] = earlier.values[member];
    }
    return { change, values, unknown };
  }

  rows(): ModelRow[] {
    const found: ModelRow[] = [];
    for (const [shard, rows] of this.#shards)
      for (const [key, { change, values, unknown }] of rows)
        found.push({
          key,
          shard,
          lsn: change.lsn,
          index: change.index!,
          values,
          unknown: unknown.toSorted(),
        });
    return found.toSorted((a, b) => (`${a.shard}${a.key}` < `${b.shard}${b.key}` ? -1 : 1));
  }
}

export const SHARDS = ["shop1", "it's 2"] as const;
const KEYS = 6;

type Step =
  | { readonly kind: "put"; readonly id: number; readonly open: readonly string[]; readonly value: number }
  | { readonly kind: "delete"; readonly id: number }
  | { readonly kind: "move"; readonly id: number; readonly to: number; readonly open: readonly string[] }
  | { readonly kind: "swap"; readonly id: number; readonly to: number; readonly open: readonly string[] }
  | { readonly kind: "truncate" }
  | { readonly kind: "slot" };

const id = fc.nat({ max: KEYS - 1 });
/** Columns that the source leaves out of an update. */
const open = fc.subarray(["bio", "amount", "data_source", "odd~/x"]);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: fc.constant("put" as const), id, open, value: fc.nat(5) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("delete" as const), id }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("move" as const), id, to: id, open }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("swap" as const), id, to: id, open }) },
  { weight: 1, arbitrary: fc.constant({ kind: "truncate" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "slot" as const }) },
);

export const history: fc.Arbitrary<readonly Change[]> = fc
  .array(fc.record({ shard: fc.nat({ max: 1 }), steps: fc.array(step, { minLength: 1, maxLength: 4 }) }), {
    minLength: 1,
    maxLength: 25,
  })
  .map((transactions) => {
    const makers = SHARDS.map((shard, i) => new ShardMaker(shard, i + 1));
    return transactions.flatMap(({ shard, steps }) => makers[shard]!.transaction(steps));
  });

/** The changes that a source would tell of the steps. */
class ShardMaker {
  readonly #shard: string;
  readonly #present = new Set<number>();
  #incarnation: number;
  #lsn = 100;
  #count = 0;

  constructor(shard: string, incarnation: number) {
    this.#shard = shard;
    this.#incarnation = incarnation;
  }

  transaction(steps: readonly Step[]): readonly Change[] {
    this.#lsn += 8;
    let index = 0;
    return steps.flatMap((one) =>
      this.#changes(one).map((change) => ({
        ...change,
        shard: this.#shard,
        incarnation: this.#incarnation,
        lsn: this.#lsn,
        index: index++,
      })),
    );
  }

  #changes(one: Step): readonly Omit<Change, "lsn">[] {
    switch (one.kind) {
      case "put": {
        const isNew = !this.#present.has(one.id);
        this.#present.add(one.id);
        if (isNew) return [this.#change(one.value === 0 ? "copy" : "create", one.id, [])];
        return [this.#change("update", one.id, one.open)];
      }
      case "delete":
        if (!this.#present.delete(one.id)) return [];
        return [this.#gone(one.id)];
      case "move":
        return this.#present.has(one.id) && !this.#present.has(one.to)
          ? this.#move(one.id, one.to, one.open)
          : [];
      case "swap":
        if (one.id === one.to || !this.#present.has(one.id) || !this.#present.has(one.to)) return [];
        return [
          ...this.#move(one.id, KEYS, one.open),
          ...this.#move(one.to, one.id, []),
          ...this.#move(KEYS, one.to, one.open),
        ];
      case "truncate":
        this.#present.clear();
        return [{ change: "truncate", key: null }];
      default:
        // Another slot: numbers of the log begin anew, the new rows come behind a truncate.
        this.#incarnation += 2;
        this.#lsn = 16;
        this.#present.clear();
        return [{ change: "truncate", key: null }];
    }
  }

  #gone(row: number): Omit<Change, "lsn"> {
    return { change: "delete", key: [this.#shard, row], data: { id: row } };
  }

  #move(from: number, to: number, names: readonly string[]): readonly Omit<Change, "lsn">[] {
    this.#present.delete(from);
    this.#present.add(to);
    return [this.#gone(from), { ...this.#change("create", to, names), before: { id: from } }];
  }

  #change(change: Change["change"], row: number, names: readonly string[]): Omit<Change, "lsn"> {
    const n = this.#count++;
    const all: Values = {
      id: row,
      bio: n % 7 === 0 ? null : `bio ${n}`,
      source: `s${n}`,
      data_source: `d${n}`,
      "odd~/x": n,
      ...(n % 5 === 0 ? { amount: null, amount__text: "NaN" } : { amount: `${n}.50` }),
    };
    for (const name of names) {
      delete all[name];
      delete all[`${name}__text`];
    }
    return { change, key: [this.#shard, row], data: all, ...(names.length > 0 ? { unchanged: names } : {}) };
  }
}
