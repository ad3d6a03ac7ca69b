/** The decoder against a slow one in plain TypeScript, over random changes; and over bytes that nobody should send. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PgoutputDecoder } from "../../../adapters/pg/pgoutput.ts";
import { changeId } from "../../../core/change.ts";
import { MuaraError } from "../../../core/errors.ts";
import type { SourceBinding, SourceRelation, ValueForm } from "../../../core/ports/source.ts";
import { headerOf } from "../../../core/record.ts";
import { begin, commit, ProtocolBytes, relation, type RelationColumn } from "./protocol-bytes.ts";
import { eventsOf, INCARNATION, type ChangeEvent } from "./replication-place.ts";

type Value = string | null | undefined;
type Row = readonly Value[];

const COLUMNS: readonly (RelationColumn & { readonly form: ValueForm })[] = [
  { name: "id", isKey: true, typeId: 23, form: "integer" },
  { name: 'we"ird ☃', isKey: true, typeId: 25, form: "text" },
  { name: "amount", isKey: false, typeId: 1700, form: "decimal" },
  { name: "left out", isKey: false, typeId: 25, form: "text" },
  { name: "bio", isKey: false, typeId: 25, form: "text" },
];
const LEFT_OUT = 3;
const EPOCH_MS = Date.UTC(2000, 0, 1);

function bindingOf(told: SourceRelation): SourceBinding {
  return {
    stream: told.name,
    partition: told.id % 3,
    header: `{"of":"${told.name}"}`,
    fields: COLUMNS.map(({ name, form }, i) => (i === LEFT_OUT ? null : { name, form })),
    key: [1, 0],
    keyScope: "shop1",
  };
}

interface Change {
  readonly kind: "I" | "U" | "D" | "T";
  readonly table: 0 | 1;
  readonly row: Row;
  readonly old: Row;
  /** Of an update: what is told of the row that was. */
  readonly told: "K" | "O" | "";
}

interface Model {
  readonly change: string;
  readonly index: number;
  readonly data: Record<string, unknown>;
  readonly before?: Record<string, unknown>;
  readonly unchanged: readonly string[];
  readonly key: string | null;
}

const isDecimal = (text: string): boolean => /^-?\d+(\.\d+)?$/.test(text);

function shown(row: Row, only?: readonly number[]): Record<string, unknown> {
  const entries = COLUMNS.flatMap(({ name, form }, i): [string, unknown][] => {
    const value = row[i];
    if (i === LEFT_OUT || value === undefined || (only && !only.includes(i))) return [];
    if (value === null) return [[name, null]];
    if (form === "integer") return [[name, Number(value)]];
    if (form === "decimal" && !isDecimal(value))
      return [
        [name, null],
        [`${name}__text`, value],
      ];
    return [[name, value]];
  });
  return Object.fromEntries(entries);
}

const keyText = (row: Row): string =>
  JSON.stringify(["shop1", row[1] ?? null, row[0] == null ? null : Number(row[0])]);
const unchangedOf = (row: Row): string[] =>
  COLUMNS.flatMap(({ name }, i) => (row[i] === undefined && i !== LEFT_OUT ? [name] : []));

/** What the events of one change are. */
function modelOf({ kind, row, old, told }: Change, isFull: boolean, index: number): Model[] {
  const known = isFull ? { before: shown(old) } : {};
  const gone = (at: number): Model => ({
    change: "delete",
    index: at,
    data: shown(old, [0, 1]),
    ...known,
    unchanged: [],
    key: keyText(old),
  });
  const now = (change: string, at: number, filled: Row, before = {}): Model => ({
    change,
    index: at,
    data: shown(filled),
    ...before,
    unchanged: unchangedOf(filled),
    key: keyText(filled),
  });
  if (kind === "I") return [now("create", index, row)];
  if (kind === "D") return [gone(index)];
  if (kind === "T") return [{ change: "truncate", index, data: {}, unchanged: [], key: null }];
  if (told === "") return [now("update", index, row)];
  const filled = row.map((value, i) =>
    value === undefined && (isFull || COLUMNS[i]!.isKey) ? old[i] : value,
  );
  const isMoved = [0, 1].some((i) => filled[i] !== old[i]);
  if (!isMoved) return [now("update", index, filled, known)];
  return [gone(index), now("create", index + 1, filled, isFull ? known : { before: shown(old, [0, 1]) })];
}

const bytesOf = ({ kind, table, row, old, told }: Change, isFull: boolean): Uint8Array => {
  const out = new ProtocolBytes().byte(kind);
  if (kind === "T")
    return out
      .word(1)
      .byte(0)
      .word(table + 10)
      .done();
  out.word(table + 10);
  const was = isFull ? old : old.map((value, i) => (COLUMNS[i]!.isKey ? value : null));
  if (kind === "I") return out.byte("N").row(row).done();
  if (kind === "D")
    return out
      .byte(isFull ? "O" : "K")
      .row(was)
      .done();
  if (told !== "") out.byte(isFull ? "O" : "K").row(was);
  return out.byte("N").row(row).done();
};

const integer = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }).map(String);
const anyText = fc.string({ unit: "binary", maxLength: 100 }).filter((text) => !text.includes("\0"));
const decimal = fc.oneof(fc.constantFrom("NaN", "Infinity", "-0.50", "1"), fc.bigInt().map(String));
const whole = fc.tuple(
  fc.oneof(fc.constantFrom("1", "2"), integer),
  fc.oneof(fc.constantFrom("a", "b"), anyText),
  fc.option(decimal),
  fc.option(anyText),
  fc.option(anyText),
);
const change: fc.Arbitrary<Change> = fc.record({
  kind: fc.constantFrom("I", "U", "U", "D", "T"),
  table: fc.constantFrom(0, 1),
  row: fc
    .tuple(whole, fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }), fc.boolean())
    .map(([row, gaps, hasGaps]): Row =>
      row.map((value, i) => (hasGaps && gaps[i] && i >= 3 ? undefined : value)),
    ),
  old: whole,
  told: fc.constantFrom("K", ""),
});
const transaction = fc.record({
  changes: fc.array(change, { maxLength: 25 }),
  us: fc.bigInt({ min: -900_000_000_000_000_000n / 1_000n, max: 900_000_000_000_000n }),
  xid: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
  gap: fc.bigInt({ min: 1n, max: 2n ** 40n }),
});

function decoderOf(isFull: boolean): PgoutputDecoder {
  const decoder = new PgoutputDecoder({ shard: "shop1", incarnation: INCARNATION });
  for (const [i, name] of ["first", "second"].entries()) {
    const message = relation(
      i + 10,
      name,
      isFull ? "f" : "d",
      COLUMNS.map((column) => ({ ...column, isKey: isFull || column.isKey })),
    );
    const told = decoder.decode(message, 0, message.length)!;
    decoder.bind(told, bindingOf(told));
  }
  return decoder;
}

/** Within other bytes, as it is in what a socket has read. */
function feed(decoder: PgoutputDecoder, message: Uint8Array): void {
  const around = new Uint8Array(message.length + 7).fill(0x74);
  around.set(message, 3);
  decoder.decode(around, 3, 3 + message.length);
}

const modelled = (event: ChangeEvent): Model => {
  const { change: kind, index, unchanged = [] } = event.source;
  const before = event.before ? { before: { ...event.before } } : {};
  return { change: kind, index, data: { ...event.data }, ...before, unchanged, key: event.key };
};

describe("the decoder", () => {
  it("tells what the plain model tells, of any changes", () => {
    const many = fc.array(transaction, { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(many, fc.boolean(), (transactions, isFull) => {
        const decoder = decoderOf(isFull);
        let lsn = 0x1_0000_0000n;
        for (const { changes, us, xid, gap } of transactions) {
          lsn += gap;
          feed(decoder, begin(lsn, us, xid));
          const expected: Model[][] = [[], []];
          let index = 0;
          for (const one of changes) {
            feed(decoder, bytesOf(one, isFull));
            expected[one.table]!.push(...modelOf(one, isFull, index));
            index += one.kind === "U" ? 2 : 1;
          }
          feed(decoder, commit(lsn, lsn + 48n, us));
          const batch = decoder.batch.take();
          expect(batch.cursor).toBe(String(lsn + 48n));
          const events = eventsOf(batch);
          for (const [table, name] of ["first", "second"].entries())
            expect(events.filter(({ stream }) => stream === name).map(modelled)).toEqual(expected[table]);
          for (const { metadata, source, data_op, data_type } of events) {
            expect(metadata.eid).toBe(changeId({ incarnation: INCARNATION, lsn, index: source.index }));
            const ms = Number((us - (((us % 1_000n) + 1_000n) % 1_000n)) / 1_000n) + EPOCH_MS;
            const rest = String(((us % 1_000n) + 1_000n) % 1_000n).padStart(3, "0");
            expect(metadata.occurred_at).toBe(new Date(ms).toISOString().replace("Z", `${rest}Z`));
            expect(source).toMatchObject({ shard: "shop1", incarnation: INCARNATION, lsn: Number(lsn), xid });
            expect(data_op).toBe(source.change === "create" ? "C" : source.change === "update" ? "U" : "D");
            expect(data_type).toMatch(/^public\.(first|second)$/);
          }
          for (const { records, stream } of batch.parts)
            for (let i = 0; i < records.count; i++)
              expect(new TextDecoder().decode(headerOf(records, i))).toBe(`{"of":"${stream}"}`);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("refuses bytes that are no message, and nothing else happens", () => {
    const known = fc.tuple(change, fc.boolean()).map(([one, isFull]) => [...bytesOf(one, isFull)]);
    const heads = fc.constantFrom(...Array.from("BCRIUDTMYOSEcAbPKrpx"));
    const random = fc
      .tuple(heads, fc.uint8Array({ maxLength: 60 }))
      .map(([head, rest]) => [head.charCodeAt(0), ...rest]);
    /** A message with one byte changed, cut off or longer. */
    const damaged = fc
      .tuple(known, fc.nat(), fc.nat(255), fc.constantFrom("change", "cut", "longer"))
      .map(([bytes, at, value, how]) => {
        const place = at % bytes.length;
        if (how === "cut") return bytes.slice(0, place);
        if (how === "longer") return [...bytes, value];
        return bytes.with(place, value);
      });
    let refused = 0;
    fc.assert(
      fc.property(fc.oneof(random, damaged), fc.boolean(), (bytes, isWithin) => {
        const decoder = decoderOf(false);
        if (isWithin) feed(decoder, begin(100n, 0n, 1));
        let error: unknown;
        try {
          feed(decoder, Uint8Array.from(bytes));
        } catch (reason) {
          error = reason;
        }
        if (error === undefined) return;
        refused++;
        expect(error).toBeInstanceOf(MuaraError);
        expect((error as MuaraError).code).toBe("source.protocol");
      }),
      { numRuns: 3_000 },
    );
    expect(refused).toBeGreaterThan(500);
  });

  it("takes as many digits as an index, an lsn and a transaction's number can have", () => {
    const decoder = decoderOf(false);
    const lsn = 0xffff_ffff_ffff_fff8n;
    feed(decoder, begin(lsn, 0n, 4_294_967_295));
    const row = ["1", "a", null, null, null];
    for (let i = 0; i < 1_002; i++)
      feed(decoder, new ProtocolBytes().byte("I").word(10).byte("N").row(row).done());
    feed(decoder, commit(lsn, lsn + 1n, 0n));
    const batch = decoder.batch.take();
    expect(batch.cursor).toBe(String(lsn + 1n));
    const texts = new TextDecoder().decode(batch.parts[0]!.records.bytes);
    for (const index of [0, 9, 10, 99, 100, 999, 1_000, 1_001]) {
      expect(texts).toContain(`"lsn":${lsn},"index":${index},"xid":4294967295,`);
      expect(texts).toContain(changeId({ incarnation: INCARNATION, lsn, index }));
    }
  });

  it("uses its memory again only for the next batch but one", () => {
    const decoder = decoderOf(false);
    const write = (lsn: bigint): string => {
      feed(decoder, begin(lsn, 0n, 1));
      feed(
        decoder,
        new ProtocolBytes()
          .byte("I")
          .word(10)
          .byte("N")
          .row([String(lsn), "a", null, null, null])
          .done(),
      );
      feed(decoder, commit(lsn, lsn + 8n, 0n));
      return `"id":${lsn}`;
    };
    const first = write(100n);
    const batch = decoder.batch.take();
    write(200n);
    expect(new TextDecoder().decode(batch.parts[0]!.records.bytes)).toContain(first);
  });
});
