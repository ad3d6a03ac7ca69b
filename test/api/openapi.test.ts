/** The description of the API beside what answers: every route of both apps is in it, and nothing else is. */
import { expect, test } from "vitest";
import { type ApiPorts, createApiApp } from "../../api/app.ts";
import { openapiDocument } from "../../api/openapi.ts";
import { resolveConfig } from "../../core/config.ts";
import { createIngestApp, type Door, type IngestPorts } from "../../workers/ingest/app.ts";
import { isDoorPath } from "../../workers/ingest/open-door.ts";
import { lowLevelRoutes } from "../../workers/ingest/streams/low-level.ts";
import type { StreamHost } from "../../workers/ingest/streams/stream-host.ts";
import { subscriptionRoutes } from "../../workers/ingest/subscriptions/routes.ts";
import type { Subscriptions } from "../../workers/ingest/subscriptions/subscriptions.ts";
import { LIMITS } from "../workers/ingest/door.ts";

interface Routed {
  readonly method: string;
  readonly path: string;
}
interface Operation {
  readonly operationId?: string;
  readonly security?: readonly unknown[];
  readonly "x-muara-rights"?: readonly string[];
}

const METHODS = new Set(["get", "put", "post", "delete", "patch"]);
const document = openapiDocument("0") as unknown as {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> };
};
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);

const namesOf = (routes: readonly Routed[]): string[] => {
  const own = routes.filter(({ method }) => method !== "ALL");
  return [...new Set(own.map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, "{$1}")}`))];
};
const documented = (isOfDoor: boolean): string[] =>
  operations
    .filter(({ path }) => isDoorPath(path) === isOfDoor)
    .map(({ path, method }) => `${method.toUpperCase()} ${path}`);

test("every route of the door is in it, and every address of the door in it is routed", () => {
  const parts = [lowLevelRoutes({} as StreamHost), subscriptionRoutes({} as Subscriptions)];
  const app = createIngestApp({} as IngestPorts, { limits: LIMITS }, {} as Door, parts);
  expect(namesOf(app.routes).toSorted()).toEqual(documented(true).toSorted());
});

test("every route of the read side is in it, and the other way round", () => {
  const app = createApiApp({ store: {} } as ApiPorts, {
    sqlBytes: 1,
    version: "0",
    sharing: resolveConfig({ environment: {} }).config,
  });
  expect(namesOf(app.routes).toSorted()).toEqual(documented(false).toSorted());
});

test("operations have ids of their own, methods that exist, and all parts that they name", () => {
  const ids = operations.map(({ operation }) => operation.operationId);
  expect(new Set(ids).size).toBe(ids.length);
  expect(operations.filter(({ method }) => !METHODS.has(method))).toEqual([]);
  const named = [...JSON.stringify(document).matchAll(/#\/components\/schemas\/(\w+)/g)].map(
    ([, name]) => name,
  );
  const known = Object.keys(document.components.schemas);
  expect(named.filter((name) => !known.includes(name!))).toEqual([]);
  expect(known.filter((name) => !named.includes(name))).toEqual([]);
});

test("parameters in paths are declared where they stand", () => {
  for (const { path, operation } of operations) {
    const { parameters = [] } = operation as { parameters?: readonly { name: string; in: string }[] };
    const inPath = parameters.filter((one) => one.in === "path").map(({ name }) => name);
    expect(inPath, path).toEqual([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name));
  }
});

test("every operation of the door says what right it takes", () => {
  const unsaid = operations.filter(
    ({ path, operation }) => isDoorPath(path) && !operation.security && !operation["x-muara-rights"],
  );
  expect(unsaid).toEqual([]);
});
