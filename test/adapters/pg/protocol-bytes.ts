/** Messages of pgoutput, built by hand: for tests that need those that no server would send. */

export class ProtocolBytes {
  readonly #parts: number[] = [];

  byte(value: number | string): this {
    this.#parts.push(typeof value === "string" ? value.charCodeAt(0) : value & 0xff);
    return this;
  }

  short(value: number): this {
    return this.byte(value >> 8).byte(value);
  }

  word(value: number): this {
    return this.short(value >>> 16).short(value & 0xffff);
  }

  long(value: bigint): this {
    return this.word(Number((value >> 32n) & 0xffff_ffffn)).word(Number(value & 0xffff_ffffn));
  }

  text(value: string): this {
    this.#parts.push(...Buffer.from(value), 0);
    return this;
  }

  bytes(value: Uint8Array): this {
    this.#parts.push(...value);
    return this;
  }

  /** @param values text; null; undefined: unchanged */
  row(values: readonly (string | null | undefined)[]): this {
    this.short(values.length);
    for (const value of values) {
      if (value === null) this.byte("n");
      else if (value === undefined) this.byte("u");
      else this.byte("t").word(Buffer.byteLength(value)).bytes(Buffer.from(value));
    }
    return this;
  }

  done(): Uint8Array {
    return Uint8Array.from(this.#parts);
  }
}

export const begin = (lsn: bigint, us: bigint, xid: number): Uint8Array =>
  new ProtocolBytes().byte("B").long(lsn).long(us).word(xid).done();

export const commit = (lsn: bigint, end: bigint, us: bigint): Uint8Array =>
  new ProtocolBytes().byte("C").byte(0).long(lsn).long(end).long(us).done();

export interface RelationColumn {
  readonly name: string;
  readonly isKey: boolean;
  readonly typeId: number;
}

export const relation = (
  id: number,
  name: string,
  identity: string,
  columns: readonly RelationColumn[],
): Uint8Array => {
  const out = new ProtocolBytes()
    .byte("R")
    .word(id)
    .text("public")
    .text(name)
    .byte(identity)
    .short(columns.length);
  for (const column of columns)
    out
      .byte(column.isKey ? 1 : 0)
      .text(column.name)
      .word(column.typeId)
      .word(-1);
  return out.done();
};
