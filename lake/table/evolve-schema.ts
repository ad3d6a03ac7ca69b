/**
 * From the schema that a table has to the one that its writer needs: columns are added, at any depth, and types get
 * wider where every value of the old one is a value of the new one. Nothing is ever dropped, renamed or narrowed, so
 * what was read before is read afterwards.
 */
import { MuaraError } from "../../core/errors.ts";
import { CONTENT_ANNOTATION } from "../parquet/delta-type.ts";
import { decimal, decimalParts, type DeltaField, type DeltaStruct, type DeltaType } from "./delta-schema.ts";

export interface SchemaStep {
  readonly schema: DeltaStruct;
  /** Paths such as `place.city` and `items[].price`. */
  readonly added: readonly string[];
  /** Paths whose type gets wider: files with the old one have to be written anew. */
  readonly widened: readonly string[];
}

/** Digits that every value of an integer type has room in. */
const INTEGER_DIGITS: Readonly<Record<string, number>> = { byte: 3, short: 5, integer: 10, long: 19 };
const WIDER: Readonly<Record<string, readonly string[]>> = {
  byte: ["short", "integer", "long", "double"],
  short: ["integer", "long", "double"],
  integer: ["long", "double"],
  float: ["double"],
};

/**
 * @returns undefined where the table has all that is wanted, as it is wanted
 * @throws table.unsupported naming every column that cannot become what is wanted
 */
export function evolveSchema(present: DeltaStruct, wanted: DeltaStruct): SchemaStep | undefined {
  const steps = new Steps();
  const schema = steps.struct(present, wanted, "");
  if (steps.impossible.length > 0)
    throw new MuaraError(
      "table.unsupported",
      `the table's schema cannot take what is declared: ${steps.impossible.map((one) => one.text).join(", ")}`,
      { details: { columns: steps.impossible.map((one) => one.path), changes: steps.impossible } },
    );
  const { added, widened, isRelaxed } = steps;
  return added.length + widened.length > 0 || isRelaxed ? { schema, added, widened } : undefined;
}

/** A column that cannot become what is wanted. */
export interface ImpossibleStep {
  readonly path: string;
  readonly present: string;
  readonly wanted: string;
  readonly text: string;
}

class Steps {
  readonly added: string[] = [];
  readonly widened: string[] = [];
  readonly impossible: ImpossibleStep[] = [];
  isRelaxed = false;

  struct(present: DeltaStruct, wanted: DeltaStruct, prefix: string): DeltaStruct {
    const wantedByName = new Map(wanted.fields.map((field) => [field.name.toLowerCase(), field]));
    const kept = present.fields.map((field) => {
      const other = wantedByName.get(field.name.toLowerCase());
      wantedByName.delete(field.name.toLowerCase());
      return other ? this.#field(field, other, prefix + field.name) : field;
    });
    const fresh = [...wantedByName.values()].map((field) => {
      this.added.push(prefix + field.name);
      // The rows that are there have none of it.
      return { ...field, nullable: true };
    });
    return { type: "struct", fields: [...kept, ...fresh] };
  }

  #field(present: DeltaField, wanted: DeltaField, path: string): DeltaField {
    // To readers two names that differ in case only are one column, to JSON they are two fields.
    if (present.name !== wanted.name)
      this.#impossible(path, present.name, wanted.name, `${path} (differs in case from ${wanted.name})`);
    // Both are strings to readers, but in one the text `a` stands as `a`, in the other as `"a"`.
    const [content, other] = [contentOf(present), contentOf(wanted)];
    if (present.type === "string" && wanted.type === "string" && content !== other)
      this.#impossible(path, content, other, `${path} (${content}, not ${other})`);
    const nullable = present.nullable || wanted.nullable;
    if (nullable !== present.nullable) this.isRelaxed = true;
    return { ...present, nullable, type: this.#type(present.type, wanted.type, path) };
  }

  #type(present: DeltaType, wanted: DeltaType, path: string): DeltaType {
    if (typeof present === "string" || typeof wanted === "string") {
      if (present === wanted) return present;
      if (typeof present === "string" && typeof wanted === "string" && isWider(present, wanted)) {
        this.widened.push(path);
        return wanted;
      }
    } else if (present.type === "struct" && wanted.type === "struct")
      return this.struct(present, wanted, `${path}.`);
    else if (present.type === "array" && wanted.type === "array")
      return {
        type: "array",
        elementType: this.#type(present.elementType, wanted.elementType, `${path}[]`),
        containsNull: present.containsNull || wanted.containsNull,
      };
    else if (JSON.stringify(present) === JSON.stringify(wanted)) return present;
    const [name, other] = [nameOf(present), nameOf(wanted)];
    this.#impossible(path, name, other, `${path} (${name}, not ${other})`);
    return present;
  }

  #impossible(path: string, present: string, wanted: string, text: string): void {
    this.impossible.push({ path, present, wanted, text });
  }
}

/** Whether every value of `from` is one of `to`, exactly. */
function isWider(from: string, to: string): boolean {
  if (WIDER[from]?.includes(to)) return true;
  const target = decimalParts(to as DeltaType);
  if (!target) return false;
  const source = decimalParts(from as DeltaType) ?? integerParts(from);
  if (!source) return false;
  const digits = target.precision - target.scale;
  return target.scale >= source.scale && digits >= source.precision - source.scale;
}

function integerParts(type: string): ReturnType<typeof decimalParts> {
  const precision = INTEGER_DIGITS[type];
  return precision === undefined ? undefined : decimalParts(decimal(precision, 0));
}

/** What a string column holds; other types say it themselves. */
function contentOf({ metadata }: DeltaField): string {
  return metadata[CONTENT_ANNOTATION] === "json" ? "JSON text" : "text";
}

function nameOf(type: DeltaType): string {
  return typeof type === "string" ? type : type.type;
}
