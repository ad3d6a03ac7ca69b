/** Decodes events one by one and shows what became of each, for cases that name one value. */
import { planColumns } from "../../../core/columns.ts";
import type { EventType, JsonSchema } from "../../../core/event-type.ts";
import { compileDecoder, type Decoder } from "./decoder.ts";
import { eventTypeOf } from "../../lake/parquet/shapes.ts";

export interface Decoded {
  /** `code pointer` of a rejection. */
  readonly rejected?: string;
  /** By column name; NULL columns left out. */
  readonly values?: Readonly<Record<string, unknown>>;
}

export class OneByOne {
  readonly #decoder: Decoder;

  constructor(properties: Record<string, JsonSchema>, category: EventType["category"] = "undefined") {
    this.#decoder = compileDecoder(planColumns(eventTypeOf({ type: "object", properties }, category)));
  }

  decode(event: string): Decoded {
    const bytes = Buffer.from(event);
    const rejection = this.#decoder.add(bytes, 0, bytes.length);
    if (rejection) return { rejected: `${rejection.code} ${rejection.pointer}` };
    const last = Uint32Array.of(this.#decoder.rows - 1);
    const values: [string, unknown][] = [];
    for (const [name, vector] of this.#decoder.vectors) {
      const [value] = vector.gather(last, 0, 1);
      if (value !== null) values.push([name, value]);
    }
    return { values: Object.fromEntries(values) };
  }
}

/** What becomes of one value in the column `v` of a type whose only field is `v`. */
export function decodeValue(schema: JsonSchema, token: string): Decoded {
  return new OneByOne({ v: schema }).decode(`{"v":${token}}`);
}
