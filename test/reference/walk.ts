/**
 * Executes examples of the API one after the other, each as the command that the reference shows, by a real curl.
 * Values that differ from run to run (ids, cursors, the address) stand in the document as they were when it was
 * recorded.
 */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { curlOf, EXAMPLE_ORIGIN, type Example } from "../../api/curl-example.ts";
import { eventually } from "../services/muara.ts";
import type { Step } from "./step.ts";
import { pick } from "./pick.ts";
import type { World } from "./world.ts";

const STEP_MS_MAX = 60_000;
export interface Answered {
  readonly status: string;
  /** Without parameters; empty where there is no body. */
  readonly type: string;
  /** JSON, or the text; undefined where there is none, or it is no text. */
  readonly answer: unknown;
}

/** Executes one. @param example with the values of this run */
export async function execute(world: World, step: Step, example: Example): Promise<Answered> {
  const command = curlOf(example).replaceAll(EXAMPLE_ORIGIN, world.muara.url);
  let last = await curl(world, command, step.seconds);
  if (step.until)
    await eventually(`${step.id}: ${JSON.stringify(last.answer)}`, STEP_MS_MAX, async () => {
      if (step.until!(last.answer)) return true;
      last = await curl(world, command, step.seconds);
      return step.until!(last.answer);
    });
  for (const [name, place] of Object.entries(step.keep ?? {})) {
    const value = pick(last.answer, place);
    if (typeof value !== "string" && typeof value !== "number")
      throw new Error(`${step.id} has nothing at ${place}: ${JSON.stringify(last)}`);
    world.values.set(name, String(value));
  }
  return last;
}

/** A step's request with values for its `{{NAMES}}`, and for its `{{#NUMBERS}}`, which lose their quotes. */
export function filled(step: Step, operation: Operation, values: ReadonlyMap<string, string>): Example {
  const fill = <Value>(value: Value): Value =>
    JSON.parse(
      JSON.stringify(value).replace(
        /"\{\{#(\w+)\}\}"|\{\{(\w+)\}\}/g,
        (_, number?: string, text?: string) => {
          const name = number ?? text!;
          const known = values.get(name);
          if (known === undefined) throw new Error(`${step.id}: nobody has said what ${name} is`);
          return number === undefined ? JSON.stringify(known).slice(1, -1) : known;
        },
      ),
    ) as Value;
  return {
    method: operation.method,
    address: operation.address,
    path: fill(step.path ?? {}),
    query: fill(step.query ?? {}),
    headers: fill(step.headers ?? {}),
    body: step.body === undefined ? undefined : fill(step.body),
    isOpen: operation.isOpen,
  };
}

export interface Operation {
  readonly method: string;
  readonly address: string;
  readonly isOpen: boolean;
}

/** By operationId. */
export function operationsOf(document: object): ReadonlyMap<string, Operation> {
  const { paths } = document as { paths: Record<string, Record<string, Record<string, unknown>>> };
  return new Map(
    Object.entries(paths).flatMap(([address, methods]) =>
      Object.entries(methods).map(([method, one]) => [
        String(one["operationId"]),
        { method: method.toUpperCase(), address, isOpen: Array.isArray(one["security"]) },
      ]),
    ),
  );
}

async function curl(world: World, command: string, seconds?: number): Promise<Answered> {
  const file = join(world.folder, "answer");
  const isOver = seconds === undefined ? "" : " || [ $? -eq 28 ]"; // ended by its time
  const traced = `${command} --max-time ${seconds ?? 30} -o ${file} -w '%{http_code} %{content_type}'${isOver}`;
  const { stdout } = await promisify(execFile)("bash", ["-c", `rm -f ${file}; ${traced}`], {
    env: { ...process.env, TOKEN: world.muara.token },
  });
  const [status = "", given = ""] = stdout.split(" ");
  const type = given.split(";")[0]!;
  const bytes = await readFile(file).catch(() => Buffer.alloc(0));
  return { status, type, answer: bytes.length === 0 ? undefined : readable(type, bytes) };
}

function readable(type: string, bytes: Buffer): unknown {
  if (type.startsWith("application/vnd.")) return undefined;
  const text = bytes.toString();
  return /\b(json|yaml)$/.test(type) && !/ndjson|stream/.test(type) ? (JSON.parse(text) as unknown) : text;
}
