/**
 * `npm run proof:schemas -- [--count 10000] [--documents 24] [--seed N]`: what the kernel says of events against a JSON
 * Schema, and what the door's validator says of the same events after `JSON.parse`. Both ways round: no event is let
 * through that the validator refuses, and none is sent to it that it accepts.
 */
import { parseArgs } from "node:util";
import { seededRandomness } from "../../core/clock.ts";
import { type EventType, parseEventType } from "../../core/event-type.ts";
import type { ScanPath, ScanPlan } from "../../core/kernel-scan.ts";
import { parseJson } from "../../core/parse-json.ts";
import { packRecords } from "../../core/record.ts";
import { planSchema } from "../../core/schema-plan.ts";
import {
  compilePayloadSchema,
  effectiveSchema,
  type PayloadCheck,
} from "../../workers/ingest/payload-schema.ts";
import { Dice } from "../core-as/documents.ts";
import { SECRET, testKernel } from "../core-as/support.ts";
import { changed, fittingValue, randomRoot, type Schema, textOf } from "./schema-documents.ts";

const LIMITS = { maxBytes: 1_000_000, maxDepth: 64 };
const PATHS: readonly ScanPath[] = [
  { keys: ["a"], kind: "text" },
  { keys: ["b", "c"], kind: "text" },
  { keys: ["id"], kind: "id" },
];
const kernel = testKernel();
const encoder = new TextEncoder();

export interface SchemaResult {
  readonly schemas: number;
  /** That the kernel has no plan for. */
  readonly beyond: number;
  readonly documents: number;
  readonly violations: number;
  /** Refused for another reason: no object, a repeated key. */
  readonly unjudged: number;
}

export function typeOf(schema: Schema, isClosed = false): EventType {
  return parseEventType({
    name: "t",
    owning_application: "proof",
    category: "undefined",
    compatibility_mode: isClosed ? "compatible" : "none",
    schema: { type: "json_schema", schema: JSON.stringify(schema) },
  });
}

/** @throws Error naming seed, schema and document */
export function runSchemaProof(
  count: number,
  documents: number,
  seed: number,
  tell: (line: string) => void = () => undefined,
): SchemaResult {
  const result = { schemas: 0, beyond: 0, documents: 0, violations: 0, unjudged: 0 };
  for (let i = 0; i < count; i++) {
    const dice = new Dice(seededRandomness(seed + i));
    const schema = randomRoot(dice);
    const where = `seed ${seed + i}, schema ${JSON.stringify(schema)}`;
    const type = typeOf(schema, dice.chance(0.1));
    const check = compilePayloadSchema(type);
    const under = dice.chance(0.2) ? ["data"] : [];
    const { description } = planSchema(effectiveSchema(type), under);
    result.schemas++;
    if (!description) {
      result.beyond++;
      continue;
    }
    const plan = kernel.plan(dice.chance(0.5) ? PATHS : [], LIMITS, description);
    const texts = Array.from({ length: documents }, () => {
      let value = fittingValue(dice, schema, 4);
      for (let turns = dice.roll(3); turns > 0; turns--) value = changed(dice, value);
      return textOf(dice, value);
    });
    judge(plan, texts, check, under.length > 0, where, result);
    plan.destroy();
    if (result.schemas % 1_000 === 0) tell(`${result.schemas} schemas`);
  }
  return result;
}

function judge(
  plan: ScanPlan,
  texts: readonly string[],
  check: PayloadCheck | null,
  isInside: boolean,
  where: string,
  total: { documents: number; violations: number; unjudged: number },
): void {
  const events = texts.map((text) => (isInside ? `{"x":1,"data":${text}}` : text));
  const asRecords = violationsOf(plan, events);
  const scan = kernel.scanArray(plan, encoder.encode(`[${events.join(",")}]`), SECRET);
  if (scan.failure) throw new Error(`${where}: ${JSON.stringify(scan.failure)}`);
  const { violations, verdicts } = scan;
  texts.forEach((text, i) => {
    total.documents++;
    if (verdicts[i] !== 0 || !text.startsWith("{")) {
      total.unjudged++;
      return;
    }
    const found = violations[i] !== 0;
    if (found !== asRecords[i])
      throw new Error(`${where}: not the same as a record and in an array: ${text}`);
    const expected = check?.(parseJson(text)) ?? null;
    if (expected) total.violations++;
    if (found !== (expected !== null))
      throw new Error(
        `${where}: ${text}: the kernel says ${found ? "no" : "yes"}, ${JSON.stringify(expected)}`,
      );
  });
}

/**
 * What both say of events against one schema.
 * @returns [event] whether it is valid; undefined where the schema is not for the kernel
 */
export function judgements(
  schema: Schema,
  texts: readonly string[],
): { readonly kernel: boolean[] | undefined; readonly validator: boolean[] } {
  const type = typeOf(schema);
  const check = compilePayloadSchema(type);
  const validator = texts.map((text) => !check?.(parseJson(text)));
  const { description } = planSchema(effectiveSchema(type));
  if (!description) return { kernel: undefined, validator };
  const plan = kernel.plan([], LIMITS, description);
  const found = violationsOf(plan, texts).map((isViolation) => !isViolation);
  plan.destroy();
  return { kernel: found, validator };
}

/** [event] whether the kernel finds that it violates the plan's schema. */
export function violationsOf(plan: ScanPlan, events: readonly string[]): boolean[] {
  const batch = packRecords(events.map((event) => ({ payload: encoder.encode(event) })));
  return Array.from(kernel.scanRecords(plan, batch, SECRET).violations, (violation) => violation !== 0);
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { count: { type: "string" }, documents: { type: "string" }, seed: { type: "string" } },
  });
  const seed = Number(values.seed ?? Date.now() % 1_000_000_000);
  const result = runSchemaProof(
    Number(values.count ?? 10_000),
    Number(values.documents ?? 24),
    seed,
    (line) => process.stderr.write(`${line}\n`),
  );
  process.stdout.write(`${JSON.stringify({ seed, ...result })}\n`);
}
