/**
 * The description of the API against what answers: every operation has an example, a real curl executes it, and status,
 * type and form are as the document shows them. The document itself is judged by an outside linter (@redocly/cli, run
 * by npx for this test alone), its problems by provoking them, its page by following every link.
 */
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { curlOf, exampleOf } from "../../api/curl-example.ts";
import { describedDocument } from "../../api/described.ts";
import recording from "../../api/openapi-examples.json" with { type: "json" };
import type { Json } from "../../api/openapi-parts.ts";
import { operationsOf as listOperations } from "../../api/reference-page.ts";
import { VERSION } from "../../muara.ts";
import { differences } from "../reference/shape.ts";
import type { Step } from "../reference/step.ts";
import { STEPS } from "../reference/steps.ts";
import { type Answered, execute, filled, operationsOf } from "../reference/walk.ts";
import { openWorld, type World } from "../reference/world.ts";

const REDOCLY = "@redocly/cli@2.77.0";
const RULES = `extends: [recommended]
rules:
  info-license: error
  no-invalid-media-type-examples: { severity: error, allowAdditionalProperties: true }
  no-invalid-parameter-examples: { severity: error, allowAdditionalProperties: true }
  operation-4xx-response: off # Each has them as default
`;
const LONG_MS = 300_000;

const document = describedDocument(VERSION);
const operations = listOperations(document);
const byId = new Map(operations.map((one) => [String(one.operation["operationId"]), one]));
const recorded = recording.operations as unknown as Record<string, Answered>;

let world: World;
let close: () => Promise<void>;
beforeAll(async () => ({ world, close } = await openWorld()), LONG_MS);
afterAll(() => close?.());

/** The schema that the document has for an answer, with what it refers to. */
function schemaOf(id: string, { status, type }: Answered): object | undefined {
  const responses = byId.get(id)!.operation["responses"] as Record<string, Json>;
  const content = (responses[status]?.["content"] ?? {}) as Record<string, { schema?: object }>;
  const schema = content[type]?.schema;
  return schema && { ...schema, components: document["components"] };
}

/** What is wrong with an answer; empty: nothing. */
function faultsOf(id: string, answered: Answered): readonly string[] {
  const shown = recorded[id]!;
  const schema = schemaOf(id, answered);
  const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
  const isValid =
    schema === undefined || answered.answer === undefined || ajv.validate(schema, answered.answer);
  return [
    ...(answered.status === shown.status ? [] : [`status ${answered.status} instead of ${shown.status}`]),
    ...(answered.type === shown.type ? [] : [`type ${answered.type} instead of ${shown.type}`]),
    ...(isValid ? [] : [ajv.errorsText()]),
    ...(id === "openapi" ? [] : differences(shown.answer, answered.answer)),
  ];
}

test("every operation has an example, in the order in which they are executed", () => {
  expect(STEPS.map(({ id }) => id).toSorted()).toEqual([...byId.keys()].toSorted());
});

function shownCommand(step: Step): string {
  const { method, address, operation } = byId.get(step.id)!;
  return curlOf(exampleOf(method, address, operation));
}

test("the examples of the document are the requests that are executed", () => {
  const values = new Map(Object.entries(recording.values as Record<string, string>));
  const known = operationsOf(document);
  for (const step of STEPS)
    expect([step.id, shownCommand(step)]).toEqual([
      step.id,
      curlOf(filled(step, known.get(step.id)!, values)),
    ]);
});

test(
  "each example answers as the document shows it",
  async () => {
    const known = operationsOf(document);
    const faults: Record<string, readonly string[]> = {};
    for (const step of STEPS) {
      await step.before?.(world);
      const answered = await execute(world, step, filled(step, known.get(step.id)!, world.values));
      const found = faultsOf(step.id, answered);
      if (found.length > 0) faults[step.id] = found;
    }
    expect(faults).toEqual({});
  },
  LONG_MS,
);

test("a form that differs is found", () => {
  expect(differences({ a: 1, b: ["x"] }, { a: "1", b: [2], c: null })).toEqual([
    "/a is string instead of number",
    "/b/0 is number instead of string",
    "/c is not shown",
  ]);
  expect(faultsOf("live", { status: "200", type: "application/json", answer: {} })).toEqual([
    "/status is missing",
  ]);
});

test("what can be provoked at every operation is among its problems", async () => {
  const grants = [{ action: "read", kind: "table", name: "other" }];
  const made = await world.call("POST", "/v1/tokens", { description: "nobody", grants });
  const stranger = (made as { token: string }).token;
  const wrong: string[] = [];
  const provoke = async (
    id: string,
    method: string,
    path: string,
    token: string,
    body?: string,
  ): Promise<void> => {
    const { operation } = byId.get(id)!;
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const response = await world.muara.fetch(path, {
      method,
      headers,
      ...(body === undefined ? {} : { body }),
    });
    const text = await response.text();
    if (response.status < 400 || !/problem\+json/.test(response.headers.get("content-type") ?? "")) return;
    const { code } = JSON.parse(text) as { code: string };
    const codes = operation["x-muara-problems"] as readonly string[];
    if (!codes.includes(code)) wrong.push(`${id}: ${code}`);
  };
  for (const { method, address, operation } of operations) {
    const id = String(operation["operationId"]);
    const path = address.replace(/\{\w+\}/g, "absent");
    const hasBody = operation["requestBody"] !== undefined;
    await provoke(id, method, path, "muara_000000000000_wrong", hasBody ? "{}" : undefined);
    await provoke(id, method, path, stranger, hasBody ? "{}" : undefined);
    for (const body of hasBody ? ["{}", "[]", "{", '"x"'] : [undefined])
      await provoke(id, method, path, world.muara.token, body);
  }
  expect(wrong).toEqual([]);
}, 120_000);

test("@redocly/cli finds nothing", async () => {
  await writeFile(join(world.folder, "redocly.yaml"), RULES);
  await writeFile(join(world.folder, "openapi.json"), JSON.stringify(document));
  const run = promisify(execFile)("npx", ["--yes", REDOCLY, "lint", "openapi.json", "--format=json"], {
    cwd: world.folder,
    maxBuffer: 64 * 1024 * 1024,
  });
  const { stdout } = await run.catch((error: unknown) => error as { stdout: string });
  const found = JSON.parse(stdout.slice(stdout.indexOf("{"))) as {
    totals: object;
    problems: readonly Json[];
  };
  const problems = found.problems.map(({ ruleId, message, location }) => [ruleId, message, location]);
  expect(problems).toEqual([]);
  expect(found.totals).toEqual({ errors: 0, warnings: 0, ignored: 0 });
}, 180_000);

test("the page shows every operation with its command, and loads nothing from elsewhere", async () => {
  const response = await fetch(`${world.muara.url}/api`);
  const page = await response.text();
  expect(response.headers.get("content-security-policy")).toContain("default-src 'none'");
  for (const { method, address, operation } of operations) {
    expect(page).toContain(`id="${String(operation["operationId"])}"`);
    const command = curlOf(exampleOf(method, address, operation));
    expect(page).toContain(
      command
        .replaceAll("&", "&amp;")
        .replaceAll("<", "&lt;")
        .replaceAll(">", "&gt;")
        .replaceAll('"', "&quot;"),
    );
  }
  expect(page).not.toMatch(/(src|href)="(https?:)?\/\/|<style|style="|<script>|\son\w+="/);
  const anchors = [...page.matchAll(/href="#([^"]+)"/g)].map(([, id]) => id!);
  expect(anchors.length).toBeGreaterThan(operations.length);
  expect(anchors.filter((id) => !page.includes(`id="${id}"`))).toEqual([]);
  const links = [...new Set([...page.matchAll(/(?:href|src)="(\/[^"]*)"/g)].map(([, link]) => link!))];
  expect(links.length).toBeGreaterThan(100);
  for (const link of links.filter((one) => one !== "/"))
    expect([link, (await fetch(world.muara.url + link)).status]).toEqual([link, 200]);
});

test("the type of a problem leads to a page about it", async () => {
  const refused = await world.muara.fetch("/v1/tables/absent");
  const { type, hint } = (await refused.json()) as { type: string; hint: string };
  const page = await fetch(new URL(type, world.muara.url));
  expect(page.status).toBe(200);
  expect(await page.text()).toContain(hint.split("`")[0]);
  expect((await fetch(`${world.muara.url}/errors/no.such`)).status).toBe(404);
  expect((await fetch(`${world.muara.url}/errors/toString`)).status).toBe(404);
});
