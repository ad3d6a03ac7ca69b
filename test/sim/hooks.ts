/**
 * Puts the light formats in the place of Parquet and remembers what compiling gives, for this process only: nothing
 * in the product knows of it. To be imported before anything of the product.
 */
import { registerHooks } from "node:module";
import { setGlobals } from "./light-web.ts";

const here = (name: string): string => new URL(name, import.meta.url).href;
const product = (path: string): string => new URL(`../../${path}`, import.meta.url).href;

const LIGHT = here("light-format.ts");
const DOOR = product("workers/ingest/app.ts");
const FILE_LOG = product("adapters/file/log.ts");
const ROWS = product("lake/parquet/rows.ts");
const WRITER = product("test/oracle/parquet/plain-encoder.ts");
const LANDING = product("workers/land/");
const FEEDS = product("lake/extract/make-feed.ts");
const WINDOWS = product("lake/extract/make-window.ts");
const CHECKPOINT = product("lake/table/table-checkpoint.ts");

/** By file name of what is imported: who gets what instead. */
const SUBSTITUTES: Readonly<Record<string, (importer: string) => string | undefined>> = {
  hono: (importer) => (importer === DOOR ? here("light-web.ts") : undefined),
  hyparquet: (importer) => (importer === ROWS || importer === CHECKPOINT ? LIGHT : undefined),
  "hyparquet-writer": (importer) => (importer === CHECKPOINT ? LIGHT : undefined),
  "parquet-file.ts": (importer) => (importer === ROWS || importer === WRITER ? LIGHT : undefined),
  "file-editor.ts": () => here("light-editor.ts"),
  "workbench.ts": (importer) => (importer === FEEDS ? here("light-bench.ts") : undefined),
  "local-copy.ts": (importer) => (importer === WINDOWS ? here("light-bench.ts") : undefined),
  "event-encoder.ts": (importer) => (importer.startsWith(LANDING) ? here("light-encoder.ts") : undefined),
  "lock.ts": (importer) => (importer === FILE_LOG ? here("light-lock.ts") : undefined),
  "commit-file.ts": (importer) =>
    importer.startsWith(product("lake/table/")) ? here("light-commit.ts") : undefined,
  "payload-schema.ts": (importer) =>
    importer.startsWith(product("workers/ingest/")) ? here("light-schema.ts") : undefined,
};

setGlobals();
registerHooks({
  resolve: (specifier, context, next) => {
    const name = specifier.slice(specifier.lastIndexOf("/") + 1);
    const url = SUBSTITUTES[name]?.(context.parentURL ?? "");
    return url ? { url, shortCircuit: true } : next(specifier, context);
  },
});
