/**
 * What a change of the schema means for its version, and whether the compatibility mode lets it happen. Nakadi's rules
 * (zalando/nakadi, `SchemaChange`, `SchemaEvolutionService`):
 *
 * | change | forward | compatible | none |
 * |---|---|---|---|
 * | words | patch | patch | patch |
 * | a new field that may be missing | minor | minor | minor |
 * | more required fields; `additionalProperties` from anything to a schema | minor | refused | minor |
 * | takes more: more values, looser bounds, null beside a type | minor, refused by Nakadi | refused | minor |
 * | everything else | refused | refused | major |
 *
 * Surprising rule: it is the mode *before* the change that counts, also where the change is of the mode itself. From
 * forward to compatible, what compatible forbids may go in the same step.
 */
import type { EventType } from "../../core/event-type.ts";
import type { SchemaStepKind } from "../../core/schema-version.ts";
import type { SchemaChange } from "./schema-changes.ts";

type Mode = EventType["compatibility_mode"];

export interface Evolution {
  /** What of the changes is refused, and why. */
  readonly refused: readonly SchemaChange[];
  /** Undefined: nothing changed. */
  readonly step: SchemaStepKind | undefined;
}

/** May change in the step from forward to compatible (`FORWARD_TO_COMPATIBLE_ALLOWED_CHANGES`). */
const UPGRADE_KEYWORDS: ReadonlySet<string> = new Set([
  "required",
  "additionalProperties",
  "additionalItems",
]);

/** @param changes between the effective schemas under the mode before */
export function evolve(changes: readonly SchemaChange[], before: Mode, after: Mode): Evolution {
  const levels = changes.map((change) => levelOf(change, before));
  const step = (["major", "minor", "patch"] as const).find((level) => levels.includes(level));
  if (before === "none") return { refused: [], step };
  const isUpgrade = before === "forward" && after === "compatible";
  const isRefused = (change: SchemaChange, i: number): boolean =>
    isUpgrade ? !mayBeInUpgrade(change) : levels[i] === "major";
  return { refused: changes.filter(isRefused).map((change) => refusal(change, before, isUpgrade)), step };
}

function levelOf(change: SchemaChange, mode: Mode): SchemaStepKind {
  if (change.kind === "words") return "patch";
  if (isNewField(change)) return "minor";
  if (mode === "compatible") return "major";
  return change.kind === "compatible" || isForwardStep(change) ? "minor" : "major";
}

function isNewField({ keyword, kind, old }: SchemaChange): boolean {
  return keyword === "properties" && kind === "compatible" && old === null;
}

/** What Nakadi takes in `forward` though older events may not be as the new schema says. */
function isForwardStep({ keyword, old, new: now }: SchemaChange): boolean {
  if (keyword === "required") return now === true;
  return keyword === "additionalProperties" && (old === null || old === true) && isSchema(now);
}

function mayBeInUpgrade(change: SchemaChange): boolean {
  return change.kind === "words" || isNewField(change) || UPGRADE_KEYWORDS.has(change.keyword);
}

function refusal(change: SchemaChange, mode: Mode, isUpgrade: boolean): SchemaChange {
  if (change.kind === "incompatible") return change;
  const rule = isUpgrade
    ? "which is no part of becoming compatible"
    : `and a type that is ${mode} only gets new fields that may be missing`;
  return { ...change, kind: "incompatible", reason: `${change.reason}, ${rule}` };
}

/** A long one stands there cut, as text. */
function isSchema(value: unknown): boolean {
  return (typeof value === "object" && value !== null) || typeof value === "string";
}
