/**
 * The rules of a JSON Schema about one value alone (its type, its range, its length, the values it may be), and what
 * a change of each means for values that were valid.
 */
import type { JsonSchema } from "../../core/event-type.ts";
import { isObject } from "./json-schema.ts";
import { isSameValue } from "./same-schema.ts";

export interface Finding {
  readonly keyword: string;
  readonly old: unknown;
  readonly now: unknown;
  readonly isCompatible: boolean;
  readonly reason: string;
}

export type Kind = "null" | "boolean" | "integer" | "number" | "string" | "array" | "object";
export const KINDS: readonly Kind[] = ["null", "boolean", "integer", "number", "string", "array", "object"];

/** Keywords that no value violates. */
const SILENT: ReadonlySet<string> = new Set(
  "title description default examples $comment $schema $id id readOnly writeOnly deprecated definitions $defs".split(
    " ",
  ),
);
/** [keyword, which kinds of values it binds, whether a smaller one takes more] */
const BOUNDS: readonly (readonly [string, Kind, boolean])[] = [
  ["minLength", "string", true],
  ["maxLength", "string", false],
  ["minItems", "array", true],
  ["maxItems", "array", false],
  ["minProperties", "object", true],
  ["maxProperties", "object", false],
];
/** May stay as they are, or go. [keyword, which kinds of values it binds] */
const EXACT: readonly (readonly [string, Kind])[] = [
  ["pattern", "string"],
  ["multipleOf", "number"],
  ["uniqueItems", "array"],
];
/** Formats beside which another is no narrower. */
const WIDER_FORMATS: Readonly<Record<string, readonly string[]>> = { int32: ["int64"] };

/** Whether every value is valid under it. */
export function isOpenNode(node: unknown): boolean {
  if (node === undefined || node === true) return true;
  return isObject(node) && Object.keys(node).every((key) => SILENT.has(key) || node[key] === undefined);
}

/** The values that a schema lists; undefined where it lists none. */
export function valuesOf(node: JsonSchema): readonly unknown[] | undefined {
  if (Object.hasOwn(node, "const")) return [node["const"]];
  return Array.isArray(node.enum) ? node.enum : undefined;
}

/** Kinds of values that may be valid. */
export function kindsOf(node: JsonSchema): ReadonlySet<Kind> {
  const declared = declaredKinds(node.type);
  const values = valuesOf(node);
  return values ? new Set(values.map(kindOf).filter((kind) => declared.has(kind))) : declared;
}

function declaredKinds(type: JsonSchema["type"]): ReadonlySet<Kind> {
  if (type === undefined) return new Set(KINDS);
  const kinds = new Set([type].flat() as Kind[]);
  return kinds.has("number") ? kinds.add("integer") : kinds;
}

function kindOf(value: unknown): Kind {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value as Kind;
}

/** @param before, after schemas without references */
export function boundChanges(before: JsonSchema, after: JsonSchema): readonly Finding[] {
  const kinds = kindsOf(before);
  const isNumeric = kinds.has("number") || kinds.has("integer");
  return [
    ...typeChange(before, after),
    ...valuesChange(before, after),
    ...(isNumeric ? rangeChanges(before, after) : []),
    ...BOUNDS.flatMap(([keyword, kind, isLower]) =>
      kinds.has(kind) ? boundChange(keyword, before[keyword], after[keyword], isLower) : [],
    ),
    ...EXACT.flatMap(([keyword, kind]) =>
      kinds.has(kind) || (kind === "number" && isNumeric) ? exactChange(keyword, before, after) : [],
    ),
    ...formatChange(before.format, after.format),
  ];
}

function typeChange(before: JsonSchema, after: JsonSchema): readonly Finding[] {
  const [old, now] = [kindsOf(before), declaredKinds(after.type)];
  const change = { keyword: "type", old: before.type, now: after.type };
  const lost = [...old].filter((kind) => !now.has(kind));
  if (lost.length > 0)
    return [
      {
        ...change,
        isCompatible: false,
        reason: `was ${either([...old])}, and may not be ${either(lost)} any more`,
      },
    ];
  const declared = declaredKinds(before.type);
  const isWider = [...now].some((kind) => !declared.has(kind));
  return isWider ? [{ ...change, isCompatible: true, reason: "takes more types now" }] : [];
}

function either(kinds: readonly string[]): string {
  return kinds.length === KINDS.length ? "anything" : kinds.join(" or ");
}

function valuesChange(before: JsonSchema, after: JsonSchema): readonly Finding[] {
  const [old, now] = [valuesOf(before), valuesOf(after)];
  const change = { keyword: "enum", old, now };
  if (!now) return old ? [{ ...change, isCompatible: true, reason: "is no list of values any more" }] : [];
  if (!old) return [{ ...change, isCompatible: false, reason: "is limited to a list of values now" }];
  const lost = old.filter((value) => !now.some((other) => isSameValue(value, other)));
  if (lost.length > 0) return [{ ...change, isCompatible: false, reason: `lacks ${listed(lost)}` }];
  const isMore = now.some((value) => !old.some((other) => isSameValue(value, other)));
  return isMore ? [{ ...change, isCompatible: true, reason: "has more values" }] : [];
}

function listed(values: readonly unknown[]): string {
  return values
    .map((value) => JSON.stringify(value))
    .join(", ")
    .slice(0, 200);
}

interface Bound {
  readonly at: number;
  readonly isExcluded: boolean;
}

function rangeChanges(before: JsonSchema, after: JsonSchema): readonly Finding[] {
  return (["minimum", "maximum"] as const).flatMap((keyword): Finding[] => {
    const sign = keyword === "minimum" ? 1 : -1;
    const [old, now] = [boundOf(before, keyword, sign), boundOf(after, keyword, sign)];
    if (isSameValue(old, now)) return [];
    const isCompatible = now === undefined || (old !== undefined && isWithin(old, now, sign));
    const reason = isCompatible ? "has more room" : "excludes numbers that were valid";
    return [{ keyword, old: shown(old), now: shown(now), isCompatible, reason }];
  });
}

/** The stricter of the two ways to say it. @param sign 1: the higher is stricter, -1: the lower */
function boundOf(node: JsonSchema, keyword: "minimum" | "maximum", sign: number): Bound | undefined {
  const excluded = node[keyword === "minimum" ? "exclusiveMinimum" : "exclusiveMaximum"];
  const bounds: Bound[] = [];
  if (typeof node[keyword] === "number") bounds.push({ at: node[keyword], isExcluded: false });
  if (typeof excluded === "number") bounds.push({ at: excluded, isExcluded: true });
  return bounds.sort((a, b) => sign * (b.at - a.at) || Number(b.isExcluded) - Number(a.isExcluded))[0];
}

function isWithin(old: Bound, now: Bound, sign: number): boolean {
  if (old.at === now.at) return old.isExcluded || !now.isExcluded;
  return sign * (old.at - now.at) > 0;
}

function shown(bound: Bound | undefined): unknown {
  return bound?.isExcluded ? { exclusive: bound.at } : bound?.at;
}

function boundChange(keyword: string, old: unknown, now: unknown, isLower: boolean): readonly Finding[] {
  if (old === now) return [];
  const isCompatible =
    now === undefined ||
    (typeof now === "number" && isLower && now <= 0) ||
    (typeof old === "number" && typeof now === "number" && (isLower ? now < old : now > old));
  const reason = isCompatible ? "has more room" : "excludes lengths that were valid";
  return [{ keyword, old, now, isCompatible, reason }];
}

function exactChange(keyword: string, before: JsonSchema, after: JsonSchema): readonly Finding[] {
  const [old, now] = [before[keyword], after[keyword]];
  if (old === now) return [];
  const isGone = now === undefined || now === false;
  const divides =
    keyword === "multipleOf" &&
    Number.isSafeInteger(old) &&
    Number.isSafeInteger(now) &&
    (old as number) % (now as number) === 0;
  const isCompatible = isGone || divides;
  return [
    {
      keyword,
      old,
      now,
      isCompatible,
      reason: isCompatible ? "takes more now" : "may exclude what was valid",
    },
  ];
}

/** A declared decimal is no rule about JSON: what the table can hold says more (column-changes.ts). */
function formatChange(old: string | undefined, now: string | undefined): readonly Finding[] {
  if (old === now) return [];
  const isDecimal = now?.startsWith("decimal") ?? false;
  const isCompatible = now === undefined || isDecimal || (WIDER_FORMATS[old ?? ""]?.includes(now) ?? false);
  const reason = isDecimal ? "is as wide as the table's column can be" : "takes more now";
  return [
    {
      keyword: "format",
      old,
      now,
      isCompatible,
      reason: isCompatible ? reason : "may exclude what was valid",
    },
  ];
}
