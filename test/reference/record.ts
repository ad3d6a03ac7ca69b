/**
 * Writes api/openapi-examples.json, the examples of the API's description, by doing all of them:
 * `npx node test/reference/record.ts && npx oxfmt api/openapi-examples.json`. A test does them again and compares.
 */
import { writeFileSync } from "node:fs";
import { hostname } from "node:os";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { EXAMPLE_ORIGIN } from "../../api/curl-example.ts";
import { openapiDocument } from "../../api/openapi.ts";
import { pick } from "./pick.ts";
import { STEPS } from "./steps.ts";
import { type Answered, execute, filled, operationsOf } from "./walk.ts";
import { openWorld, type World } from "./world.ts";

/** What stands for secrets and for addresses of the machine. */
const SHOWN: Readonly<Record<string, string>> = {
  SECRET: "muara_5a2fc147dcf9_secret",
  TOKEN_TEXT: "muara_b209ed1b0b8e_secret",
  HOOK: "https://warehouse.example.org/orders",
};
const PLACE = "s3://bucket";
const TEXT_LENGTH_MAX = 600;
const ITEMS_MAX = 3;

/** Of one operation, as it is kept. */
interface Recorded {
  readonly path: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly status: string;
  readonly type: string;
  readonly answer?: unknown;
}

export interface Recording {
  /** What `{{NAMES}}` of the steps were. */
  readonly values: Readonly<Record<string, string>>;
  readonly operations: Readonly<Record<string, Recorded>>;
}

/** @param told after each step */
export async function record(told: (line: string) => void): Promise<Recording> {
  const operations = operationsOf(openapiDocument("0"));
  const kept: Record<string, Recorded> = {};
  const { world, close } = await openWorld();
  try {
    for (const step of STEPS) {
      await step.before?.(world);
      const example = filled(step, operations.get(step.id)!, world.values);
      const answered = await execute(world, step, example);
      told(`${answered.status} ${step.id}`);
      if (Number(answered.status) >= 300)
        throw new Error(`${step.id}: ${JSON.stringify(answered)} of ${JSON.stringify(example)}`);
      const { path, query, headers, body } = filled(step, operations.get(step.id)!, shownValues(world));
      kept[step.id] = { path, query, headers, body, ...shownAnswer(world, answered) };
    }
    return { values: Object.fromEntries(shownValues(world)), operations: kept };
  } finally {
    await close();
  }
}

function shownValues(world: World): Map<string, string> {
  return new Map([...world.values].map(([name, value]) => [name, SHOWN[name] ?? value]));
}

function shownAnswer(
  world: World,
  { status, type, answer }: Answered,
): Omit<Recorded, "path" | "query" | "headers"> {
  if (answer === undefined) return { status, type };
  const hidden: readonly (readonly [string, string])[] = [
    ...Object.entries(SHOWN).map(([name, text]) => [world.values.get(name) ?? "", text] as const),
    [world.muara.token, "muara_…"],
    [`${hostname()}-${world.muara.pid}`, "shop-1-4182"],
    [world.muara.url, EXAMPLE_ORIGIN],
    [`file://${world.folder}/data`, PLACE],
    [`${world.folder}/data`, PLACE],
  ];
  let text = JSON.stringify(answer);
  for (const [real, shown] of hidden) if (real !== "") text = text.replaceAll(real, shown);
  const shown: unknown = JSON.parse(text);
  const isItself = pick(shown, "openapi") !== undefined;
  const short = isItself ? { openapi: pick(shown, "openapi"), info: pick(shown, "info") } : shortened(shown);
  return { status, type, answer: short };
}

/** Enough to see the form: long texts and lists lose their ends. */
function shortened(value: unknown): unknown {
  if (typeof value === "string")
    return value.length > TEXT_LENGTH_MAX ? `${value.slice(0, TEXT_LENGTH_MAX)}…` : value;
  if (Array.isArray(value)) return value.slice(0, ITEMS_MAX).map(shortened);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, shortened(one)]));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const recording = await record((line) => process.stderr.write(`${line}\n`));
  const url = new URL("../../api/openapi-examples.json", import.meta.url);
  writeFileSync(url, `${JSON.stringify(recording, null, 1)}\n`);
}
