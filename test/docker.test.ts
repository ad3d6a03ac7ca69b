/** What can be said of Dockerfile, .dockerignore, compose.yaml and the manifest without running any of them. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { resolveConfig } from "../core/config.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");
const manifest = JSON.parse(read("package.json")) as {
  readonly version: string;
  readonly files: readonly string[];
  readonly devDependencies: Readonly<Record<string, string>>;
};
/** Instructions, with lines that go on put together. */
const instructions = read("Dockerfile")
  .replaceAll(/\\\n\s*/g, "")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"));
const of = (name: string): string[] =>
  instructions.filter((line) => line.startsWith(`${name} `)).map((line) => line.slice(name.length + 1));
const ignored = read(".dockerignore").split("\n").filter(Boolean);

describe("the Dockerfile", () => {
  test("says that nobody executes it", () => {
    expect(read("Dockerfile")).toContain("Not executed by our tests");
  });

  test("has the Node that package.json pins, in every stage", () => {
    expect(of("FROM").length).toBe(2);
    for (const from of of("FROM"))
      expect(from.split(" ")[0]).toBe(`node:${manifest.devDependencies["node"]}-bookworm-slim`);
  });

  test("ends as a user without rights, with data on a volume and a check of its health", () => {
    const users = instructions.flatMap((line, i) => (line.startsWith("USER ") ? [i] : []));
    expect(of("USER")).toEqual(["node"]);
    const rest = instructions.slice(users[0]! + 1);
    expect(rest.filter((line) => /^(RUN|COPY|ADD) /.test(line))).toEqual([]);
    expect(of("VOLUME")).toEqual(["/data"]);
    expect(of("HEALTHCHECK")[0]).toMatch(/CMD \["muara", "health"/);
    expect(of("ADD")).toEqual([]);
  });

  test("copies what exists and is not left out", () => {
    const sources = of("COPY")
      .filter((line) => !line.startsWith("--from="))
      .flatMap((line) => line.split(" ").slice(0, -1));
    expect(sources).toContain("package-lock.json");
    for (const source of sources) {
      expect(existsSync(join(ROOT, source)), source).toBe(true);
      expect(ignored).not.toContain(source);
    }
    for (const name of ["core-as", "api", "docs", "LICENSE", "CHANGELOG.md", "test"])
      expect(ignored).not.toContain(name);
  });

  test("sets only what the configuration knows", () => {
    const pairs = of("ENV")
      .flatMap((line) => line.split(" "))
      .map((pair) => pair.split("=") as [string, string]);
    const environment = Object.fromEntries(pairs.filter(([name]) => name.startsWith("MUARA_")));
    const { config } = resolveConfig({ environment });
    expect(config).toMatchObject({ data: "/data", host: "0.0.0.0", port: Number(of("EXPOSE")[0]) });
  });

  test("takes no secrets and no data along", () => {
    for (const name of [".git", ".muara", "node_modules", "**/token"]) expect(ignored).toContain(name);
  });
});

test("compose.yaml builds by the Dockerfile", () => {
  expect(read("compose.yaml")).toMatch(/build: \.\n/);
  expect(read("compose.yaml")).not.toContain("dockerfile_inline");
});

interface Named {
  readonly name: string;
}

interface Service {
  readonly kind: string;
  readonly metadata: Named;
  readonly spec: { readonly selector: object; readonly ports: readonly { readonly targetPort: string }[] };
}

interface Container {
  readonly ports: readonly Named[];
  readonly env: readonly (Named & { readonly value: string })[];
  readonly volumeMounts: readonly Named[];
}

interface StatefulSet {
  readonly kind: string;
  readonly spec: {
    readonly serviceName: string;
    readonly selector: { readonly matchLabels: object };
    readonly template: {
      readonly metadata: { readonly labels: object };
      readonly spec: { readonly containers: readonly Container[]; readonly volumes: readonly Named[] };
    };
    readonly volumeClaimTemplates: readonly { readonly metadata: Named }[];
  };
}

/** By Python's yaml, where it is there; the shape alone can be told without. */
function parsed(path: string): unknown[] | undefined {
  try {
    const program = "import json,sys,yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))";
    return JSON.parse(
      execFileSync("python3", ["-c", program, join(ROOT, path)], { stdio: "pipe" }).toString(),
    ) as unknown[];
  } catch {
    return undefined;
  }
}

describe("the manifest for Kubernetes", () => {
  const path = "docs/examples/kubernetes/muara.yaml";
  const text = read(path);

  test("runs the version of package.json without rights", () => {
    expect(text).toContain(`image: muara:${manifest.version}\n`);
    expect(text).toContain("runAsNonRoot: true");
    expect(text).toContain("readOnlyRootFilesystem: true");
    expect(text).toContain("capabilities: { drop: [ALL] }");
    expect(text).not.toContain("\t");
  });

  test("is YAML, and its parts agree", () => {
    const documents = parsed(path) as [Service, StatefulSet] | undefined;
    const written = [...text.matchAll(/^kind: (\w+)$/gm)].map(([, kind]) => kind);
    expect(documents?.map(({ kind }) => kind) ?? written).toEqual(["Service", "StatefulSet"]);
    if (!documents) return;
    const [service, { spec }] = documents;
    const pod = spec.template;
    expect(pod.metadata.labels).toEqual(service.spec.selector);
    expect(spec.selector.matchLabels).toEqual(service.spec.selector);
    expect(spec.serviceName).toBe(service.metadata.name);
    const container = pod.spec.containers[0]!;
    expect(container.ports[0]!.name).toBe(service.spec.ports[0]!.targetPort);
    const claimed = spec.volumeClaimTemplates.map(({ metadata }) => metadata.name);
    const volumes = [...pod.spec.volumes.map(({ name }) => name), ...claimed];
    expect(new Set(container.volumeMounts.map(({ name }) => name))).toEqual(new Set(volumes));
    const environment = Object.fromEntries(container.env.map(({ name, value }) => [name, value]));
    expect(resolveConfig({ environment }).config.data).toBe("/data");
  });
});
