/**
 * One reader per column type: moves a value from the scanner's text into its column's vector (`store`), or,
 * inside structs and lists, into `scanner.result` (`value`). JSON null never gets here.
 */
import { assert, unreachable } from "../../../core/assert.ts";
import type { ColumnType } from "../../../core/columns.ts";
import { ListReader, StructReader } from "./nested.ts";
import type { Scanner } from "./scanner.ts";
import { BooleanVector, DateVector, DoubleVector, LongVector, ValueVector } from "./vector.ts";
import type { ValueReader } from "./value-reader.ts";

/** Digits that fit 64 bits whatever they are. */
const LONG_DECIMAL_PRECISION = 18;

export function readerOf(type: ColumnType): ValueReader {
  switch (type.kind) {
    case "string":
      return new StringReader();
    case "long":
      return new LongReader();
    case "double":
      return new DoubleReader();
    case "boolean":
      return new BooleanReader();
    case "timestamp":
      return new TimeReader();
    case "date":
      return new DateReader();
    case "json":
      return new JsonReader();
    case "decimal": {
      const { precision, scale, quoted } = type;
      return precision <= LONG_DECIMAL_PRECISION
        ? new DecimalReader(precision, scale, quoted)
        : new WideDecimalReader(precision, scale, quoted);
    }
    case "struct":
      return new StructReader(
        type.fields.map((field) => ({ field: field.name, reader: readerOf(field.type) })),
      );
    case "list":
      return new ListReader(readerOf(type.element));
    case "binary":
      assert(false, "JSON has no bytes: no payload column is binary");
    // oxlint-disable-next-line no-fallthrough -- assert does not return
    default:
      return unreachable(type);
  }
}

/** Passes over a field that is a column by another way. */
export class IgnoringReader implements ValueReader {
  readonly vector = undefined;

  store(scanner: Scanner, i: number): number {
    return scanner.endOfValue(i);
  }

  value(scanner: Scanner, i: number): number {
    return scanner.endOfValue(i);
  }
}

/** As `IgnoringReader`, for a time whose column was filled from it: digits below the microsecond are kept. */
export class IgnoringTimeReader extends IgnoringReader {
  override store(scanner: Scanner, i: number): number {
    const end = scanner.endOfValue(i);
    if (scanner.scanTime(i) !== end) scanner.isCut = true;
    return end;
  }
}

class StringReader implements ValueReader {
  readonly vector: ValueVector<string> = new ValueVector();

  store(scanner: Scanner, i: number, slot: number): number {
    const end = scanner.scanString(i);
    if (end >= 0) this.vector.set(slot, scanner.string);
    return end;
  }

  value(scanner: Scanner, i: number): number {
    const end = scanner.scanString(i);
    scanner.result = scanner.string;
    return end;
  }
}

class JsonReader implements ValueReader {
  readonly vector: ValueVector<string> = new ValueVector();

  store(scanner: Scanner, i: number, slot: number): number {
    const end = scanner.endOfValue(i);
    this.vector.set(slot, scanner.text.slice(i, end));
    return end;
  }

  value(scanner: Scanner, i: number): number {
    const end = scanner.endOfValue(i);
    scanner.result = scanner.text.slice(i, end);
    return end;
  }
}

/** What longs, times and narrow decimals share: an integer in the scanner's registers. */
abstract class IntegerReader implements ValueReader {
  readonly vector: LongVector = new LongVector();

  protected abstract scan(scanner: Scanner, i: number): number;

  store(scanner: Scanner, i: number, slot: number): number {
    const end = this.scan(scanner, i);
    if (end < 0) return end;
    if (scanner.isBig) this.vector.setBig(slot, scanner.big);
    else this.vector.set(slot, scanner.integer);
    return end;
  }

  value(scanner: Scanner, i: number): number {
    const end = this.scan(scanner, i);
    if (end >= 0) scanner.result = scanner.isBig ? scanner.big : BigInt(scanner.integer);
    return end;
  }
}

class LongReader extends IntegerReader {
  protected override scan(scanner: Scanner, i: number): number {
    return scanner.scanLong(i);
  }
}

class TimeReader extends IntegerReader {
  protected override scan(scanner: Scanner, i: number): number {
    return scanner.scanTime(i);
  }
}

class DecimalReader extends IntegerReader {
  readonly #precision: number;
  readonly #scale: number;
  readonly #isQuoted: boolean;

  constructor(precision: number, scale: number, isQuoted: boolean) {
    super();
    this.#precision = precision;
    this.#scale = scale;
    this.#isQuoted = isQuoted;
  }

  protected override scan(scanner: Scanner, i: number): number {
    return this.#isQuoted
      ? scanner.scanQuotedDecimal(i, this.#precision, this.#scale)
      : scanner.scanDecimal(i, this.#precision, this.#scale);
  }
}

class WideDecimalReader implements ValueReader {
  readonly vector: ValueVector<bigint> = new ValueVector();
  readonly #narrow: DecimalReader;

  constructor(precision: number, scale: number, isQuoted: boolean) {
    this.#narrow = new DecimalReader(precision, scale, isQuoted);
  }

  store(scanner: Scanner, i: number, slot: number): number {
    const end = this.#narrow.value(scanner, i);
    if (end >= 0) this.vector.set(slot, scanner.isBig ? scanner.big : BigInt(scanner.integer));
    return end;
  }

  value(scanner: Scanner, i: number): number {
    return this.#narrow.value(scanner, i);
  }
}

class DoubleReader implements ValueReader {
  readonly vector: DoubleVector = new DoubleVector();

  store(scanner: Scanner, i: number, slot: number): number {
    const end = scanner.scanDouble(i);
    if (end >= 0) this.vector.set(slot, scanner.double);
    return end;
  }

  value(scanner: Scanner, i: number): number {
    const end = scanner.scanDouble(i);
    if (end >= 0) scanner.result = scanner.double;
    return end;
  }
}

class BooleanReader implements ValueReader {
  readonly vector: BooleanVector = new BooleanVector();

  store(scanner: Scanner, i: number, slot: number): number {
    const end = scanner.scanBoolean(i);
    if (end >= 0) this.vector.set(slot, scanner.integer === 1);
    return end;
  }

  value(scanner: Scanner, i: number): number {
    const end = scanner.scanBoolean(i);
    if (end >= 0) scanner.result = scanner.integer === 1;
    return end;
  }
}

class DateReader implements ValueReader {
  readonly vector: DateVector = new DateVector();

  store(scanner: Scanner, i: number, slot: number): number {
    const end = scanner.scanDate(i);
    if (end >= 0) this.vector.set(slot, scanner.integer);
    return end;
  }

  value(scanner: Scanner, i: number): number {
    const end = scanner.scanDate(i);
    if (end >= 0) scanner.result = scanner.integer;
    return end;
  }
}
