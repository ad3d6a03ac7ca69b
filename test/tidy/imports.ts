/**
 * The import rule: imports point one way, from what moves data to what defines it, so that a part can be read,
 * tested and replaced alone. Also: which package may be used where. `docs/ARCHITECTURE.md` has the picture.
 */
import { posix } from "node:path";
import { isCode, isTestOrBench, lineAt, splitText, type Rule, type SourceFile } from "./source-file.ts";

/** Layer → layers that it may import. `adapters/*` stands for any adapter's folder. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  core: ["core"],
  lake: ["core", "lake"],
  workers: ["core", "lake", "workers"],
  api: ["core", "lake", "api"],
  "adapters/open": ["core", "adapters/*"],
  edge: ["core", "lake", "workers", "adapters/*", "adapters/open"],
  root: ["core", "lake", "workers", "api", "adapters/*", "adapters/open", "root"],
  bin: ["root"],
  config: ["core"],
  docs: ["core", "api", "docs"],
  "core-as": ["core-as"],
};

/** Package → where it may be imported (paths start so). Tests and benches may use all of them. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  zod: ["core/", "lake/", "workers/", "api/"],
  ajv: ["workers/ingest/"],
  "ajv-formats": ["workers/ingest/"],
  "apache-arrow": ["lake/query/"],
  hono: ["workers/", "api/", "muara.ts"],
  "@hono/node-server": ["adapters/http/", "muara.ts"],
  commander: ["api/cli/", "muara.ts"],
  hyparquet: ["lake/"],
  "hyparquet-writer": ["lake/"],
  "@duckdb/node-api": ["lake/", "workers/stream/"],
  assemblyscript: ["core-as/build.js"],
  vitest: ["vitest.config.ts"],
  "fast-check": [],
  aws4fetch: ["adapters/s3/"],
  "@platformatic/kafka": ["adapters/kafka/"],
  pg: ["adapters/pg/"],
  "pg-copy-streams": ["adapters/pg/"],
  "pg-logical-replication": [],
  "@elastic/elasticsearch": ["adapters/elasticsearch/"],
  jose: ["adapters/oidc/"],
  preact: ["api/dashboard/"],
  "@preact/signals": ["api/dashboard/"],
  htm: ["api/dashboard/"],
  uplot: ["api/dashboard/"],
  "@codemirror/state": ["api/dashboard/"],
  "@codemirror/view": ["api/dashboard/"],
  "@codemirror/commands": ["api/dashboard/"],
  "@codemirror/language": ["api/dashboard/"],
  "@codemirror/autocomplete": ["api/dashboard/"],
  "@codemirror/lang-sql": ["api/dashboard/"],
  "@lezer/highlight": ["api/dashboard/"],
  vite: ["api/dashboard/"],
  "playwright-core": [],
  "axe-core": [],
  "@opentelemetry/api": ["core/", "lake/", "workers/", "api/", "adapters/", "muara"],
  "@opentelemetry/sdk-trace": ["adapters/otel/"],
  "@opentelemetry/resources": ["adapters/otel/"],
  "@opentelemetry/exporter-trace-otlp-http": ["adapters/otel/"],
  "@bomb.sh/tab": ["api/cli/"],
  kafkajs: [],
  miniflare: [],
  rolldown: [],
  cloudevents: [],
  "parquetjs-lite": [],
};

/** Files that may import a path computed at run time: an adapter by scheme, the configuration, the bin's target. */
const COMPUTED: readonly string[] = ["adapters/open.ts", "api/cli/config-file.ts", "muara.ts", "muara.js"];

export interface Reference {
  readonly line: number;
  readonly specifier: string;
  /** `url` is a file reached by `new URL(…, import.meta.url)`: a child process, the kernel, package.json. */
  readonly kind: "import" | "url" | "computed";
}

const PATTERNS: readonly (readonly [Reference["kind"], RegExp])[] = [
  ["import", /(?:^|[;\n}])[ \t]*(?:import|export)\b[^;"'`()=]*?\bfrom\s*(["'])( *)\1/g],
  ["import", /(?:^|[;\n}])[ \t]*import\s*(["'])( *)\1/g],
  ["import", /\bimport\(\s*(["'])( *)\1/g],
  ["import", /\brequire(?:\.resolve)?\(\s*(["'])( *)\1/g],
  ["import", /\bimport\.meta\.resolve\(\s*(["'])( *)\1/g],
  ["url", /\bnew URL\(\s*(["'])( *)\1,\s*import\.meta\.url/g],
  ["computed", /\bimport\(\s*(?!["'\s])/g],
];

/** Everything that a file imports or reaches by a relative address. */
export function referencesOf(file: SourceFile): readonly Reference[] {
  const { code } = splitText(file.text);
  return PATTERNS.flatMap(([kind, pattern]) =>
    [...code.matchAll(pattern)].map((match) => {
      const quote = match[1];
      const from = quote === undefined ? 0 : match.index + match[0].indexOf(quote) + 1;
      const specifier = quote === undefined ? "" : file.text.slice(from, from + match[2]!.length);
      return { kind, specifier, line: lineAt(code, match.index + match[0].length - 1) };
    }),
  );
}

export function layerOf(path: string): string {
  if (path === "adapters/open.ts") return "adapters/open";
  if (path === "workers/ingest/edge.ts") return "edge";
  if (/^muara(-[a-z]+)?\.ts$/.test(path)) return "root";
  if (path === "muara.js") return "bin";
  const parts = path.split("/");
  if (parts.length === 1) return "config";
  return parts[0] === "adapters" ? `adapters/${parts[1]}` : parts[0]!;
}

/** The import rule of `docs/ARCHITECTURE.md`, over relative imports. */
export const importRule: Rule = (files) => {
  const known = new Set(files.map((file) => file.path));
  return files.filter(isCode).flatMap((file) =>
    referencesOf(file).flatMap((reference) => {
      const problem = judgeReference(file.path, reference, known);
      return problem === undefined ? [] : [`${file.path}:${reference.line} ${problem}`];
    }),
  );
};

function judgeReference(path: string, reference: Reference, known: ReadonlySet<string>): string | undefined {
  const { kind, specifier } = reference;
  if (kind === "computed")
    return COMPUTED.includes(path) || isTestOrBench(path)
      ? undefined
      : `imports a computed path: only ${COMPUTED.join(", ")} may`;
  if (kind === "import" && !specifier.startsWith(".")) return judgePackage(path, specifier);
  const target = posix.join(posix.dirname(path), specifier);
  // A bundler for an edge compiles it; everybody else reads its bytes.
  if (layerOf(path) === "edge" && target === "core-as/kernel.wasm") return undefined;
  if (kind === "import" && !known.has(target) && layerOf(path) !== "core-as")
    return `imports "${specifier}", which does not exist (write the extension)`;
  if (isTestOrBench(path)) return undefined;
  if (isTestOrBench(target)) return `imports ${target}: nothing imports tests or benches`;
  if (kind === "url" && (/^package(-lock)?\.json$/.test(target) || /^core-as\/.*\.wasm$/.test(target)))
    return undefined;
  const from = layerOf(path);
  const to = layerOf(target);
  const allowed = from.startsWith("adapters/") && from !== "adapters/open" ? ["core", from] : ALLOWED[from];
  if (allowed === undefined) return `lies in ${from}, which has no place in the import rule`;
  const matches = (layer: string): boolean =>
    layer === to || (layer === "adapters/*" && to.startsWith("adapters/"));
  return allowed.some(matches)
    ? undefined
    : `imports ${target}: ${from} may import only ${allowed.join(", ")}`;
}

function judgePackage(path: string, specifier: string): string | undefined {
  if (specifier.startsWith("node:")) {
    if (path.startsWith("core/")) return `imports "${specifier}": core runs on every runtime`;
    return undefined;
  }
  const name = specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
  const places = PACKAGES[name];
  if (places === undefined)
    return `imports "${specifier}", which no decision page knows (write node: for built-ins)`;
  if (path.startsWith("core/") && name !== "zod" && name !== "@opentelemetry/api")
    return `imports "${specifier}": core uses no package but zod and @opentelemetry/api`;
  if (isTestOrBench(path) || places.some((place) => path.startsWith(place))) return undefined;
  return `imports "${specifier}", which belongs to ${places.join(", ") || "tests"}`;
}

/** Packages whose use is known to tidy; the same list as in package.json but for tools run from scripts. */
export const KNOWN_PACKAGES: readonly string[] = Object.keys(PACKAGES);
