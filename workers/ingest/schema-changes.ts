/**
 * What differs between two JSON Schemas of an event type, and whether everything that was valid under the first is
 * valid under the second. Structural and on the safe side: what cannot be proved compatible is not.
 *
 * Surprising rules: a field that is gone is incompatible though the schema may be open, since its readers lose it; and
 * a new field is compatible though an open schema let anything stand under its name before.
 */
import type { JsonSchema } from "../../core/event-type.ts";
import { boundChanges, isOpenNode, kindsOf, KINDS, valuesOf, type Finding } from "./schema-bounds.ts";
import { isObject, resolveReference } from "./json-schema.ts";
import { Pattern } from "../../core/pattern.ts";
import { isSameSchema, isSameValue } from "./same-schema.ts";

/** One difference. */
export interface SchemaChange {
  /** As in `place.city` and `items[].price`; empty: the event itself. */
  readonly field: string;
  readonly keyword: string;
  /** Of the schemas, cut where they are long; null: not there. */
  readonly old: unknown;
  readonly new: unknown;
  /** `words`: says nothing about which events are valid. */
  readonly kind: "words" | "compatible" | "incompatible";
  readonly reason: string;
}

/** Pairs of schemas compared, references followed; beyond it nothing is proved. */
const COMPARISONS_MAX = 50_000;
const FRAGMENT_LENGTH_MAX = 300;
const WORDS = ["title", "description", "default", "examples", "$comment", "readOnly", "writeOnly"];
/** Their meaning is not looked into: they may stay as they are, or go. */
const WHOLE = ["not", "if", "then", "else", "oneOf", "dependencies", "propertyNames", "contains"];

/** @param before, after effective schemas (payload-schema.ts) */
export function compareSchemas(before: JsonSchema, after: JsonSchema): readonly SchemaChange[] {
  const comparison = new Comparison(before, after);
  comparison.compare(before, after, "");
  return comparison.changes;
}

class Comparison {
  changes: SchemaChange[] = [];
  readonly #before: JsonSchema;
  readonly #after: JsonSchema;
  /** Pairs on the way from the root: one that meets itself holds if the rest does. */
  readonly #underway: (readonly [unknown, unknown])[] = [];
  #left = COMPARISONS_MAX;

  constructor(before: JsonSchema, after: JsonSchema) {
    this.#before = before;
    this.#after = after;
  }

  compare(before: unknown, after: unknown, field: string): void {
    if (this.#underway.some(([one, other]) => one === before && other === after)) return;
    if (--this.#left < 0) {
      if (this.#left === -1) this.#add(field, "schema", null, null, false, "is too large to be compared");
      return;
    }
    this.#underway.push([before, after]);
    this.#resolved(plain(this.#before, before), plain(this.#after, after), field);
    this.#underway.pop();
  }

  #resolved(a: unknown, b: unknown, field: string): void {
    if (a === false) return; // nothing was valid
    if (b === false) return this.#add(field, "schema", a, b, false, "nothing is valid any more");
    const before = isObject(a) ? a : {};
    const after = isObject(b) ? b : {};
    if (before.$ref !== undefined || after.$ref !== undefined) {
      if (!this.#isSame(before, after))
        this.#add(field, "$ref", before, after, false, "stands beside other rules, and is not looked into");
      return;
    }
    for (const word of WORDS)
      if (!isSameValue(before[word], after[word]))
        this.#push(
          field,
          word,
          before[word],
          after[word],
          "words",
          "says nothing about which events are valid",
        );
    if (isOpenNode(after)) {
      if (!isOpenNode(before)) this.#add(field, "schema", before, after, true, "takes any value now");
      return;
    }
    for (const found of boundChanges(before, after)) this.#find(field, found);
    this.#wholes(before, after, field);
    this.#anyOf(before, after, field);
    this.#allOf(before, after, field);
    const kinds = kindsOf(before);
    if (kinds.has("object")) this.#object(before, after, field);
    if (kinds.has("array")) this.#array(before, after, field);
  }

  #object(before: JsonSchema, after: JsonSchema, field: string): void {
    const [old, now] = [mapOf(before.properties), mapOf(after.properties)];
    const added = [...now.keys()].filter((name) => !old.has(name));
    for (const [name, schema] of old) {
      const at = within(field, name);
      if (now.has(name)) {
        this.compare(schema, now.get(name), at);
        continue;
      }
      const twin = added.find((other) => this.#isSame(schema, now.get(other)));
      const hint = twin === undefined ? "" : `; was it renamed to "${within(field, twin)}"? Declare both`;
      this.#add(at, "properties", schema, undefined, false, `a field that readers have cannot go${hint}`);
    }
    const required = new Set(before.required);
    for (const name of added) {
      const at = within(field, name);
      const mustBe = after.required?.includes(name) ?? false;
      if (!mustBe) this.#add(at, "properties", undefined, now.get(name), true, "is a new field");
      // Named ones aside, what stood there had to be as these say.
      for (const rule of [before["additionalProperties"], ...matching(before, name)])
        if (isObject(rule) && !isOpenNode(rule)) this.compare(rule, now.get(name), at);
    }
    for (const name of after.required ?? [])
      if (!required.has(name))
        this.#add(
          within(field, name),
          "required",
          undefined,
          true,
          false,
          old.has(name) ? "was optional, so events may lack it" : "a new field cannot be required",
        );
    for (const name of required)
      if (!after.required?.includes(name))
        this.#add(within(field, name), "required", true, undefined, true, "is optional now");
    this.#rest(before["additionalProperties"], after["additionalProperties"], field, "additionalProperties");
    this.#patterns(before, after, field);
  }

  #patterns(before: JsonSchema, after: JsonSchema, field: string): void {
    const [old, now] = [mapOf(before["patternProperties"]), mapOf(after["patternProperties"])];
    for (const [pattern, schema] of now)
      if (old.has(pattern)) this.compare(old.get(pattern), schema, within(field, `{${pattern}}`));
      else this.#add(field, "patternProperties", undefined, pattern, false, "binds names that were free");
    for (const [pattern, schema] of old)
      if (!now.has(pattern))
        this.compare(schema, after["additionalProperties"] ?? true, within(field, `{${pattern}}`));
  }

  /** What nobody names: `additionalProperties`, `additionalItems`. */
  #rest(before: unknown, after: unknown, field: string, keyword: string): void {
    if (after === undefined || after === true || isSameValue(before, after)) {
      if (before !== undefined && !isSameValue(before, after) && !isOpenNode(before))
        this.#add(field, keyword, before, after, true, "takes more now");
      return;
    }
    if (before === false) return this.#add(field, keyword, before, after, true, "takes more now");
    if (isObject(before) && isObject(after)) return this.compare(before, after, within(field, "*"));
    this.#add(field, keyword, before, after, false, "excludes what was allowed");
  }

  #array(before: JsonSchema, after: JsonSchema, field: string): void {
    const [old, now] = [before.items, after.items];
    if (Array.isArray(old) || Array.isArray(now)) {
      if (!Array.isArray(old) || !Array.isArray(now) || old.length !== now.length) {
        if (now !== undefined && !this.#isSame({ items: old }, { items: now }))
          this.#add(field, "items", old, now, false, "places in a list cannot be told apart");
        return;
      }
      old.forEach((schema, i) => this.compare(schema, now[i], `${field}[${i}]`));
      return this.#rest(before["additionalItems"], after["additionalItems"], field, "additionalItems");
    }
    if (old !== undefined || now !== undefined) this.compare(old ?? {}, now ?? {}, `${field}[]`);
  }

  #wholes(before: JsonSchema, after: JsonSchema, field: string): void {
    for (const keyword of WHOLE) {
      const [old, now] = [before[keyword], after[keyword]];
      if (now === undefined) {
        if (old !== undefined) this.#add(field, keyword, old, now, true, "is no rule any more");
      } else if (old === undefined || !this.#isSame({ [keyword]: old }, { [keyword]: now }))
        this.#add(field, keyword, old, now, false, "may exclude what was valid");
    }
  }

  /** Each way to be valid must be found again. */
  #anyOf(before: JsonSchema, after: JsonSchema, field: string): void {
    const now = after["anyOf"];
    if (!Array.isArray(now)) {
      if (before["anyOf"] !== undefined)
        this.#add(field, "anyOf", before["anyOf"], now, true, "is no rule any more");
      return;
    }
    const ways = before["anyOf"] ?? before["oneOf"] ?? [before];
    const isKept =
      Array.isArray(ways) && ways.every((way) => now.some((other) => this.#implies(way, other, field)));
    if (!isKept) this.#add(field, "anyOf", before["anyOf"], now, false, "excludes what was allowed");
    else if (!this.#isSame({ anyOf: before["anyOf"] }, { anyOf: now }))
      this.#add(field, "anyOf", before["anyOf"], now, true, "takes more now");
  }

  #allOf(before: JsonSchema, after: JsonSchema, field: string): void {
    const now = after["allOf"];
    const rules: readonly unknown[] = Array.isArray(before["allOf"]) ? before["allOf"] : [];
    if (!Array.isArray(now)) {
      if (rules.length > 0) this.#add(field, "allOf", rules, now, true, "is no rule any more");
      return;
    }
    const { allOf: _rules, ...own } = before;
    const isImplied = now.every((rule) => [...rules, own].some((other) => this.#implies(other, rule, field)));
    if (!isImplied) this.#add(field, "allOf", before["allOf"], now, false, "may exclude what was valid");
    else if (!this.#isSame({ allOf: before["allOf"] }, { allOf: now }))
      this.#add(field, "allOf", before["allOf"], now, true, "takes more now");
  }

  /** Tried on the side: what it finds is forgotten. */
  #implies(before: unknown, after: unknown, field: string): boolean {
    const kept = this.changes;
    this.changes = [];
    this.compare(before, after, field);
    const isSo = this.changes.every(({ kind }) => kind !== "incompatible");
    this.changes = kept;
    return isSo && this.#left >= 0;
  }

  #isSame(a: unknown, b: unknown): boolean {
    return isSameSchema(this.#before, a, this.#after, b);
  }

  #find(field: string, { keyword, old, now, isCompatible, reason }: Finding): void {
    this.#add(field, keyword, old, now, isCompatible, reason);
  }

  #add(
    field: string,
    keyword: string,
    old: unknown,
    now: unknown,
    isCompatible: boolean,
    reason: string,
  ): void {
    this.#push(field, keyword, old, now, isCompatible ? "compatible" : "incompatible", reason);
  }

  #push(
    field: string,
    keyword: string,
    old: unknown,
    now: unknown,
    kind: SchemaChange["kind"],
    reason: string,
  ): void {
    this.changes.push({ field, keyword, old: fragment(old), new: fragment(now), kind, reason });
  }
}

/** References followed; and T or null, as many generators write it, is a T that may be null. */
function plain(root: JsonSchema, given: unknown): unknown {
  let node = given;
  for (let hops = 0; isObject(node) && typeof node.$ref === "string" && hops < 32; hops++) {
    const { $ref, ...rest } = node;
    if (!isOpenNode(rest)) return node;
    node = resolveReference(root, $ref);
  }
  if (!isObject(node) || node.type !== undefined || kindsOf(node).size < KINDS.length) return node;
  for (const keyword of ["anyOf", "oneOf"]) {
    const { [keyword]: choices, ...rest } = node;
    if (!Array.isArray(choices) || choices.length !== 2 || !isOpenNode(rest)) continue;
    const inner = choices.map((choice) => plain(root, choice));
    const other = inner.find((choice) => isObject(choice) && choice.type !== "null");
    const isNullable = inner.some((choice) => isObject(choice) && isSameValue(choice, { type: "null" }));
    if (!isNullable || !isObject(other) || other.type === undefined || valuesOf(other)) continue;
    return { ...rest, ...other, type: [...new Set([other.type, "null"].flat())] };
  }
  return node;
}

function matching(schema: JsonSchema, name: string): readonly unknown[] {
  return [...mapOf(schema["patternProperties"])].flatMap(([pattern, rule]) =>
    new Pattern(pattern).test(name) ? [rule] : [],
  );
}

function mapOf(value: unknown): ReadonlyMap<string, unknown> {
  return new Map(isObject(value) ? Object.entries(value) : []);
}

function within(field: string, name: string): string {
  return field === "" ? name : `${field}.${name}`;
}

/** Small enough for an answer. */
function fragment(value: unknown): unknown {
  if (value === undefined) return null;
  const text = JSON.stringify(value);
  return text.length <= FRAGMENT_LENGTH_MAX ? value : `${text.slice(0, FRAGMENT_LENGTH_MAX)}…`;
}
