/**
 * Rows as an Arrow IPC stream (apache-arrow): the schema, one record batch per chunk of rows, the end mark. Values
 * are those of the engine, exact: decimals are decimals, timestamps have their unit and, where the type has a time
 * zone, UTC. What Arrow has no type for (UUID, INTERVAL, BIT, TIME with time zone, unions, enums) is the text that it
 * is in JSON. HUGEINT is decimal(38, 0), as in the engine's own export; a value with more digits fails the query.
 */
import {
  DuckDBTypeId,
  type DuckDBArrayValue,
  type DuckDBBlobValue,
  type DuckDBDateValue,
  type DuckDBDecimalValue,
  type DuckDBListValue,
  type DuckDBMapValue,
  type DuckDBStructValue,
  type DuckDBTimeValue,
  type DuckDBType,
  type DuckDBValue,
} from "@duckdb/node-api";
import {
  AsyncByteQueue,
  Binary,
  Bool,
  DateDay,
  Decimal,
  Field,
  Float32,
  Float64,
  Int16,
  Int32,
  Int64,
  Int8,
  List,
  makeData,
  Map_,
  RecordBatch,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  TimeMicrosecond,
  Timestamp,
  TimeUnit,
  Uint16,
  Uint32,
  Uint64,
  Uint8,
  Utf8,
  type Data,
  type DataType,
} from "apache-arrow";
import { jsonEncoder, NotExact } from "./encode.ts";

type Values = readonly (DuckDBValue | null | undefined)[];
type Instant = {
  readonly micros?: bigint;
  readonly millis?: bigint;
  readonly seconds?: bigint;
  readonly nanos?: bigint;
};

/** One column's way into Arrow. */
interface Lane {
  readonly type: DataType;
  data(values: Values): Data;
}

const HUGE_MAX = 10n ** 38n;

/** Writes chunks of rows; each call gives the bytes that are ready. */
export class ArrowStream {
  readonly #sink = new Collected();
  readonly #writer = new RecordBatchStreamWriter({ autoDestroy: false });
  readonly #schema: Schema;
  readonly #lanes: readonly Lane[];

  constructor(names: readonly string[], types: readonly DuckDBType[]) {
    this.#lanes = types.map(laneOf);
    this.#schema = new Schema(names.map((name, i) => new Field(name, this.#lanes[i]!.type, true)));
  }

  /** The schema. */
  head(): Uint8Array {
    this.#writer.reset(this.#sink, this.#schema);
    return this.#sink.take();
  }

  /** @param columns [column][row] @param count rows to write @throws NotExact for an integer of more than 38 digits */
  rows(columns: readonly Values[], count: number): Uint8Array {
    const children = columns.map((values, i) => this.#lanes[i]!.data(values.slice(0, count)));
    const type = new Struct(this.#schema.fields);
    this.#writer.write(
      new RecordBatch(this.#schema, makeData({ type, length: count, nullCount: 0, children })),
    );
    return this.#sink.take();
  }

  end(): Uint8Array {
    this.#writer.finish();
    return this.#sink.take();
  }
}

class Collected extends AsyncByteQueue {
  #chunks: Uint8Array[] = [];

  override write(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
  }

  take(): Uint8Array {
    return Buffer.concat(this.#chunks.splice(0));
  }
}

function laneOf(type: DuckDBType): Lane {
  switch (type.typeId) {
    case DuckDBTypeId.BOOLEAN:
      return {
        type: new Bool(),
        data: (values) =>
          makeData({ type: new Bool(), ...nulls(values), data: bits(values.map((value) => value === true)) }),
      };
    case DuckDBTypeId.TINYINT:
      return numbers(new Int8(), Int8Array);
    case DuckDBTypeId.SMALLINT:
      return numbers(new Int16(), Int16Array);
    case DuckDBTypeId.INTEGER:
      return numbers(new Int32(), Int32Array);
    case DuckDBTypeId.UTINYINT:
      return numbers(new Uint8(), Uint8Array);
    case DuckDBTypeId.USMALLINT:
      return numbers(new Uint16(), Uint16Array);
    case DuckDBTypeId.UINTEGER:
      return numbers(new Uint32(), Uint32Array);
    case DuckDBTypeId.FLOAT:
      return numbers(new Float32(), Float32Array);
    case DuckDBTypeId.DOUBLE:
      return numbers(new Float64(), Float64Array);
    case DuckDBTypeId.BIGINT:
      return longs(new Int64(), (value) => value as bigint);
    case DuckDBTypeId.UBIGINT:
      return longs(new Uint64(), (value) => BigInt.asIntN(64, value as bigint));
    case DuckDBTypeId.HUGEINT:
    case DuckDBTypeId.UHUGEINT:
      return decimals(38, 0, (value) => hugeOf(value as bigint));
    case DuckDBTypeId.DECIMAL:
      return decimals(type.width, type.scale, (value) => (value as DuckDBDecimalValue).value);
    case DuckDBTypeId.BLOB:
      return bytes(new Binary(), (value) => (value as DuckDBBlobValue).bytes);
    case DuckDBTypeId.DATE:
      return numbers(new DateDay(), Int32Array, (value) => (value as DuckDBDateValue).days);
    case DuckDBTypeId.TIME:
      return longs(new TimeMicrosecond(), (value) => (value as DuckDBTimeValue).micros);
    case DuckDBTypeId.TIMESTAMP:
      return longs(new Timestamp(TimeUnit.MICROSECOND), (value) => (value as Instant).micros!);
    case DuckDBTypeId.TIMESTAMP_TZ:
      return longs(new Timestamp(TimeUnit.MICROSECOND, "UTC"), (value) => (value as Instant).micros!);
    case DuckDBTypeId.TIMESTAMP_S:
      return longs(new Timestamp(TimeUnit.SECOND), (value) => (value as Instant).seconds!);
    case DuckDBTypeId.TIMESTAMP_MS:
      return longs(new Timestamp(TimeUnit.MILLISECOND), (value) => (value as Instant).millis!);
    case DuckDBTypeId.TIMESTAMP_NS:
      return longs(new Timestamp(TimeUnit.NANOSECOND), (value) => (value as Instant).nanos!);
    case DuckDBTypeId.LIST:
    case DuckDBTypeId.ARRAY:
      return lists(laneOf(type.valueType));
    case DuckDBTypeId.STRUCT:
      return structs(type.entryNames, type.entryTypes.map(laneOf));
    case DuckDBTypeId.MAP:
      return maps(laneOf(type.keyType), laneOf(type.valueType));
    case DuckDBTypeId.VARCHAR:
      return bytes(new Utf8(), (value) => Buffer.from(value as string));
    default:
      return texts(type);
  }
}

/** The text of JSON, without its quotes where it is a string. */
function texts(type: DuckDBType): Lane {
  const encode = jsonEncoder(type);
  return bytes(new Utf8(), (value) => {
    const json = encode(value);
    return Buffer.from(json.startsWith('"') ? (JSON.parse(json) as string) : json);
  });
}

interface Nulls {
  readonly length: number;
  readonly nullCount: number;
  readonly nullBitmap?: Uint8Array;
}

const isNull = (value: unknown): value is null | undefined => value === null || value === undefined;

function nulls(values: Values): Nulls {
  const { length } = values;
  const nullCount = values.filter(isNull).length;
  return nullCount === 0
    ? { length, nullCount }
    : { length, nullCount, nullBitmap: bits(values.map((value) => !isNull(value))) };
}

/** Least significant bit first. */
function bits(flags: readonly boolean[]): Uint8Array {
  const packed = new Uint8Array(Math.ceil(flags.length / 8));
  for (const [i, flag] of flags.entries()) if (flag) packed[i >> 3]! |= 1 << (i & 7);
  return packed;
}

interface NumberArray {
  [index: number]: number;
}

function numbers(
  type: DataType,
  ArrayType: new (length: number) => NumberArray,
  numberOf: (value: DuckDBValue) => number = (value) => value as number,
): Lane {
  return {
    type,
    data: (values) => {
      const data = new ArrayType(values.length);
      for (const [i, value] of values.entries()) if (!isNull(value)) data[i] = numberOf(value);
      return makeData({ type, ...nulls(values), data } as never);
    },
  };
}

function longs(type: DataType, longOf: (value: DuckDBValue) => bigint): Lane {
  return {
    type,
    data: (values) => {
      const data = new BigInt64Array(values.length);
      for (const [i, value] of values.entries()) if (!isNull(value)) data[i] = longOf(value);
      return makeData({ type, ...nulls(values), data } as never);
    },
  };
}

/** 16 bytes each, two's complement, little endian. */
function decimals(width: number, scale: number, unscaledOf: (value: DuckDBValue) => bigint): Lane {
  const type = new Decimal(scale, width, 128);
  return {
    type,
    data: (values) => {
      const data = new BigInt64Array(values.length * 2);
      for (const [i, value] of values.entries()) {
        if (isNull(value)) continue;
        const unscaled = unscaledOf(value);
        data[2 * i] = BigInt.asIntN(64, unscaled);
        data[2 * i + 1] = BigInt.asIntN(64, unscaled >> 64n);
      }
      return makeData({ type, ...nulls(values), data: new Uint32Array(data.buffer) });
    },
  };
}

function hugeOf(value: bigint): bigint {
  if (value > -HUGE_MAX && value < HUGE_MAX) return value;
  throw new NotExact("Arrow has no integer of more than 38 digits; cast it to DOUBLE or VARCHAR.");
}

function bytes(type: Utf8 | Binary, bytesOf: (value: DuckDBValue) => Uint8Array): Lane {
  return {
    type,
    data: (values) => {
      const parts = values.map((value) => (isNull(value) ? EMPTY : bytesOf(value)));
      const valueOffsets = offsetsOf(parts);
      return makeData({
        type,
        ...nulls(values),
        valueOffsets,
        data: new Uint8Array(Buffer.concat(parts)),
      } as never);
    },
  };
}

const EMPTY = new Uint8Array(0);

function offsetsOf(parts: readonly { readonly length: number }[]): Int32Array {
  const offsets = new Int32Array(parts.length + 1);
  for (const [i, part] of parts.entries()) offsets[i + 1] = offsets[i]! + part.length;
  return offsets;
}

function lists(inner: Lane): Lane {
  const type = new List(new Field("item", inner.type, true));
  return {
    type,
    data: (values) => {
      const parts = values.map((value) =>
        isNull(value) ? [] : (value as DuckDBListValue | DuckDBArrayValue).items,
      );
      return makeData({
        type,
        ...nulls(values),
        valueOffsets: offsetsOf(parts),
        child: inner.data(parts.flat()),
      });
    },
  };
}

function structs(names: readonly string[], lanes: readonly Lane[]): Lane {
  const type = new Struct(names.map((name, i) => new Field(name, lanes[i]!.type, true)));
  return {
    type,
    data: (values) => {
      const children = lanes.map((lane, i) => lane.data(values.map((value) => entryOf(value, names[i]!))));
      return makeData({ type, ...nulls(values), children });
    },
  };
}

function entryOf(value: DuckDBValue | null | undefined, name: string): DuckDBValue | null {
  return isNull(value) ? null : ((value as DuckDBStructValue).entries[name] ?? null);
}

function maps(keys: Lane, items: Lane): Lane {
  const pair = new Struct([new Field("key", keys.type, false), new Field("value", items.type, true)]);
  const type = new Map_(new Field("entries", pair, false) as never);
  return {
    type,
    data: (values) => {
      const parts = values.map((value) => (isNull(value) ? [] : (value as DuckDBMapValue).entries));
      const entries = parts.flat();
      const children = [
        keys.data(entries.map(({ key }) => key)),
        items.data(entries.map(({ value }) => value)),
      ];
      const child = makeData({ type: pair, length: entries.length, nullCount: 0, children });
      return makeData({ type, ...nulls(values), valueOffsets: offsetsOf(parts), child } as never);
    },
  };
}
