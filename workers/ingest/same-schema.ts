/** Whether two parts of schemas say the same: the order of keys aside, references followed in the root of each. */
import type { JsonSchema } from "../../core/event-type.ts";
import { isObject, resolveReference } from "./json-schema.ts";

/** @param rootA, rootB where local references lead; the same name in both is the same place */
export function isSameSchema(rootA: JsonSchema, a: unknown, rootB: JsonSchema, b: unknown): boolean {
  /** What was compared once need not be again: a difference anywhere is one of the whole. */
  const followed = new Set<string>();
  const isSame = (one: unknown, other: unknown): boolean => {
    if (Array.isArray(one) && Array.isArray(other))
      return one.length === other.length && one.every((item, i) => isSame(item, other[i]));
    if (!isObject(one) || !isObject(other)) return one === other;
    const keys = definedKeys(one);
    if (keys.length !== definedKeys(other).length) return false;
    if (!keys.every((key) => Object.hasOwn(other, key) && isSame(one[key], other[key]))) return false;
    if (typeof one.$ref !== "string" || followed.has(one.$ref)) return true;
    followed.add(one.$ref);
    return isSame(resolveReference(rootA, one.$ref), resolveReference(rootB, one.$ref));
  };
  return isSame(a, b);
}

/** Of JSON values. */
export function isSameValue(a: unknown, b: unknown): boolean {
  return isSameSchema({}, a, {}, b);
}

function definedKeys(value: JsonSchema): readonly string[] {
  return Object.keys(value).filter((key) => value[key] !== undefined);
}
