/**
 * The verdict on a changed schema, held against rules that know nothing of it: what each kind of change means is said
 * where the change is made up, and what was valid is validated again by plain ajv.
 */
import { Ajv } from "ajv";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { type EventType, parseEventType } from "../../core/event-type.ts";
import { judgeRedeclaration } from "../../workers/ingest/redeclare.ts";

type Json = Record<string, unknown>;
interface Field {
  type: string | string[];
  [keyword: string]: unknown;
}

const RUNS = 8;
const ajv = new Ajv({ strict: false, logger: false });

const leaf: fc.Arbitrary<Field> = fc.oneof(
  fc.record({
    type: fc.constant("integer"),
    minimum: fc.integer({ min: -9, max: 0 }),
    maximum: fc.integer({ min: 1, max: 9 }),
  }),
  fc.record({ type: fc.constant("string"), maxLength: fc.integer({ min: 2, max: 9 }) }),
  fc.record({
    type: fc.constant("string"),
    enum: fc.uniqueArray(fc.constantFrom("a", "b", "c", "d"), { minLength: 2 }),
  }),
  fc.constant({ type: "boolean" }),
  fc.record({ type: fc.constant("number"), format: fc.constantFrom("decimal(6,2)", "decimal(9,3)") }),
);
const { field } = fc.letrec<{ field: Field }>((tie) => ({
  field: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    leaf,
    tie("field").map((items): Field => ({ type: "array", items, maxItems: 4 })),
    fc
      .dictionary(fc.constantFrom("p", "q", "r"), tie("field"), { minKeys: 1, noNullPrototype: true })
      .chain((properties) =>
        fc
          .subarray(Object.keys(properties))
          .map((required): Field => ({ type: "object", properties, required })),
      ),
  ),
}));
const root = fc
  .dictionary(fc.constantFrom("f", "g", "h", "i"), field, { minKeys: 1, noNullPrototype: true })
  .chain((properties) =>
    fc.subarray(Object.keys(properties)).map((required): Field => ({ type: "object", properties, required })),
  );

/** Every place of a schema, outermost first. */
function placesOf(schema: Field): Field[] {
  const inner = [...Object.values((schema["properties"] ?? {}) as Json), schema["items"]].filter(Boolean);
  return [schema, ...(inner as Field[]).flatMap(placesOf)];
}

/**
 * `field`: one more that may be missing. `more`: all that was valid stays so. `stricter`: what Nakadi takes in
 * `forward` nevertheless. `breaking`: the rest; `column`: the table could not take it either.
 */
type Kind = "field" | "more" | "stricter" | "breaking" | "column";

interface Change {
  readonly kind: Kind;
  /** @returns whether it can be made here */
  readonly make: (at: Field, isRoot: boolean) => boolean;
}
const propertiesOf = (at: Field): Json | undefined => at["properties"] as Json | undefined;

const CHANGES: Readonly<Record<string, Change>> = {
  "a new field": {
    kind: "field",
    make: (at) => Boolean(propertiesOf(at) && ((propertiesOf(at)!["fresh"] = { type: "string" }), true)),
  },
  "a new field of many": {
    kind: "field",
    make: (at) => {
      const properties = propertiesOf(at);
      if (properties)
        properties["more"] = {
          type: "array",
          items: { type: "object", properties: { x: { type: "integer" } } },
        };
      return properties !== undefined;
    },
  },
  "a new value": {
    kind: "more",
    make: (at) => Array.isArray(at["enum"]) && !at["enum"].includes("z") && at["enum"].push("z") > 0,
  },
  "a looser bound": {
    kind: "more",
    make: (at) => {
      const keyword = ["maximum", "maxLength", "maxItems"].find((name) => typeof at[name] === "number");
      if (keyword) at[keyword] = (at[keyword] as number) + 1;
      return keyword !== undefined;
    },
  },
  "no bound": {
    kind: "more",
    make: (at) => typeof at["minimum"] === "number" && delete at["minimum"],
  },
  "what was required is optional": {
    kind: "more",
    make: (at) => Array.isArray(at["required"]) && at["required"].pop() !== undefined,
  },
  "null beside the type": {
    kind: "more",
    make: (at, isRoot) => {
      if (isRoot || at["enum"] || Array.isArray(at.type)) return false;
      at.type = [at.type, "null"];
      return true;
    },
  },
  "more digits": {
    kind: "more",
    make: (at) => at["format"] !== undefined && Boolean((at["format"] = "decimal(30,4)")),
  },
  "an integer that becomes a decimal": {
    kind: "more",
    make: (at) =>
      at.type === "integer" && Object.assign(at, { type: "number", format: "decimal(22,2)" }) === at,
  },
  "a field that goes": {
    kind: "breaking",
    make: (at) => {
      const [name, ...others] = Object.keys(propertiesOf(at) ?? {});
      // An object without declared fields is JSON text in the table, which a struct cannot become.
      return name !== undefined && others.length > 0 && delete propertiesOf(at)![name];
    },
  },
  "a field with another name": {
    kind: "breaking",
    make: (at) => {
      const [name, schema] = Object.entries(propertiesOf(at) ?? {})[0] ?? [];
      if (name === undefined) return false;
      propertiesOf(at)!["renamed"] = schema;
      return delete propertiesOf(at)![name];
    },
  },
  "a value that goes": {
    kind: "breaking",
    make: (at) => Array.isArray(at["enum"]) && at["enum"].pop() !== undefined,
  },
  "a tighter bound": {
    kind: "breaking",
    make: (at) => {
      const keyword = ["maximum", "maxLength", "maxItems"].find((name) => typeof at[name] === "number");
      if (keyword) at[keyword] = (at[keyword] as number) - 1;
      return keyword !== undefined;
    },
  },
  "another type": {
    kind: "column",
    make: (at, isRoot) => !isRoot && Boolean((at.type = at.type === "boolean" ? "string" : "boolean")),
  },
  "a field that is required now": {
    kind: "stricter",
    make: (at) => {
      const required = (at["required"] ?? []) as string[];
      const name = Object.keys(propertiesOf(at) ?? {}).find((one) => !required.includes(one));
      return name !== undefined && required.push(name) > 0;
    },
  },
  "a new field that is required": {
    kind: "stricter",
    make: (at) => {
      if (!propertiesOf(at)) return false;
      propertiesOf(at)!["must"] = { type: "string" };
      return ((at["required"] ?? []) as string[]).push("must") > 0;
    },
  },
  "fewer digits": {
    kind: "column",
    make: (at) => at["format"] !== undefined && Boolean((at["format"] = "decimal(4,1)")),
  },
};

/** A document with declared fields only. @param pick 0 ≤ pick() < 1 */
function documentOf(schema: Field, pick: () => number): unknown {
  const types = [schema.type].flat();
  const type = types[Math.floor(pick() * types.length)];
  const between = (low: number, high: number): number => low + Math.floor(pick() * (high - low + 1));
  if (Array.isArray(schema["enum"])) return schema["enum"][between(0, schema["enum"].length - 1)];
  switch (type) {
    case "null":
      return null;
    case "boolean":
      return pick() < 0.5;
    case "integer":
      return between(
        (schema["minimum"] as number | undefined) ?? -9,
        (schema["maximum"] as number | undefined) ?? 9,
      );
    case "number":
      return between(-99, 99) / 10;
    case "string":
      return "x".repeat(between(0, (schema["maxLength"] as number | undefined) ?? 9));
    case "array":
      return Array.from({ length: between(0, schema["maxItems"] as number) }, () =>
        documentOf(schema["items"] as Field, pick),
      );
    default: {
      const required = (schema["required"] ?? []) as string[];
      const entries = Object.entries(schema["properties"] as Record<string, Field>);
      const kept = entries.filter(([name]) => required.includes(name) || pick() < 0.7);
      return Object.fromEntries(kept.map(([name, inner]) => [name, documentOf(inner, pick)]));
    }
  }
}

type Mode = EventType["compatibility_mode"];
type Step = "1.1.0" | "2.0.0" | "refused";

/** The rules of the modes, apart from the code: what a change of each kind comes to. */
const RULES: Readonly<Record<Mode, Readonly<Record<Kind, Step>>>> = {
  forward: { field: "1.1.0", more: "1.1.0", stricter: "1.1.0", breaking: "refused", column: "refused" },
  compatible: {
    field: "1.1.0",
    more: "refused",
    stricter: "refused",
    breaking: "refused",
    column: "refused",
  },
  none: { field: "1.1.0", more: "1.1.0", stricter: "1.1.0", breaking: "2.0.0", column: "refused" },
};

const typeOf = (schema: Field, mode: Mode): EventType =>
  parseEventType({
    name: "t",
    owning_application: "test",
    category: "undefined",
    compatibility_mode: mode,
    schema: { type: "json_schema", schema: JSON.stringify(schema), version: "1.0.0" },
  });

/** Makes it at the first place from `at` on where it can be. */
function makeSomewhere({ make }: Change, schema: Field, at: number): boolean {
  const places = placesOf(schema);
  const order = places.map((_, i) => places[(at + i) % places.length]!);
  return order.some((place) => make(place, place === schema));
}

const chances = fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }));
const harmless = Object.values(CHANGES).filter(({ kind }) => kind === "field" || kind === "more");
const cases = (Object.keys(RULES) as Mode[]).flatMap((mode) =>
  Object.entries(CHANGES).map(([name, change]) => [mode, name, change] as const),
);

test.each(cases)("%s: %s: the verdict is what the change is", { timeout: 300_000 }, (mode, _name, change) => {
  fc.assert(
    fc.property(root, fc.nat(99), fc.nat(99), fc.nat(99), chances, (before, at, other, otherAt, chance) => {
      const pick = (): number => chance.next().value as number;
      const isHarmless = change.kind === "field" || change.kind === "more";
      const after = structuredClone(before);
      fc.pre(makeSomewhere(change, after, at));
      // What is harmless beside it changes nothing; but it may undo what is not.
      if (isHarmless && mode === "forward") makeSomewhere(harmless[other % harmless.length]!, after, otherAt);
      const input = { schema: { type: "json_schema", schema: JSON.stringify(after) } };
      const judged = judgeRedeclaration({ before: typeOf(before, mode), earlier: [], input, isAdmin: false });
      const shown = JSON.stringify([before, after, judged.changes]);
      expect(judged.verdict === "incompatible" ? "refused" : judged.to, shown).toBe(RULES[mode][change.kind]);
      expect(judged.refused.length > 0, shown).toBe(judged.verdict === "incompatible");
      const [isOld, isNew] = [ajv.compile(before), ajv.compile(after)];
      for (let i = 0; i < 5; i++) {
        const document = documentOf(before, pick);
        expect(isOld(document), JSON.stringify([before, document])).toBe(true);
        expect(!isHarmless || isNew(document), JSON.stringify([after, document])).toBe(true);
      }
      ajv.removeSchema();
    }),
    { numRuns: RUNS },
  );
});

test.each([
  ["none", "forward", "a field that goes", "2.0.0"],
  ["none", "compatible", "a field that is required now", "1.1.0"],
  ["forward", "compatible", "a new field", "1.1.0"],
  ["forward", "compatible", "a field that is required now", "1.1.0"],
  ["forward", "compatible", "a new value", "refused"],
  ["forward", "compatible", "a field that goes", "refused"],
  ["forward", "none", "a field that goes", "refused"],
  ["compatible", "none", "a new value", "refused"],
  ["compatible", "forward", "a new field", "1.1.0"],
] as const)("from %s to %s with %s: %s", (mode, next, name, expected) => {
  const before: Field = {
    type: "object",
    properties: { e: { type: "string", enum: ["a", "b"] }, i: { type: "integer", minimum: 0, maximum: 3 } },
    required: [],
  };
  const after = structuredClone(before);
  expect(makeSomewhere(CHANGES[name]!, after, 0)).toBe(true);
  const schema = { type: "json_schema", schema: JSON.stringify(after) };
  const input = { schema, compatibility_mode: next };
  const judged = judgeRedeclaration({ before: typeOf(before, mode), earlier: [], input, isAdmin: false });
  expect(judged.verdict === "incompatible" ? "refused" : judged.to).toBe(expected);
});

test("what compatible forbids may go in the step that makes a type compatible, and nothing else", () => {
  const before = {
    type: "object",
    properties: { a: { type: "string" } },
    additionalProperties: false,
  } as Field;
  const judge = (after: unknown) =>
    judgeRedeclaration({
      before: typeOf(before, "forward"),
      earlier: [],
      input: {
        schema: { type: "json_schema", schema: JSON.stringify(after) },
        compatibility_mode: "compatible",
      },
      isAdmin: false,
    });
  const { additionalProperties: _rule, ...without } = before;
  expect(judge(without)).toMatchObject({ verdict: "compatible", to: "1.1.0" });
  expect(() => judge(before)).toThrow(/additionalProperties/);
  expect(judge({ ...without, maxProperties: 3 }).verdict).toBe("incompatible");
});
