/**
 * `package.json` and its lock: exact versions, every package with a written reason, nothing that is not used and
 * no trace of the registry that they were fetched from.
 */
import { isCode, type Rule, type SourceFile } from "./source-file.ts";
import { referencesOf } from "./imports.ts";

export const DEPENDENCY_PAGE = "docs/decisions/007-dependencies.md";

/** Run from scripts, never imported. */
const TOOLS: ReadonlySet<string> = new Set([
  "@types/node",
  "deno",
  "node",
  "oxfmt",
  "oxlint",
  "oxlint-tsgolint",
  "typescript",
  "assemblyscript",
]);

interface Manifest {
  readonly name?: string;
  readonly version?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

interface Lock {
  readonly version?: string;
  readonly packages?: Readonly<Record<string, Manifest & { readonly resolved?: string }>>;
}

function textOf(files: readonly SourceFile[], path: string): string {
  return files.find((file) => file.path === path)?.text ?? "{}";
}

function manifestOf(files: readonly SourceFile[]): Manifest {
  const manifest: Manifest = JSON.parse(textOf(files, "package.json"));
  return manifest;
}

function dependenciesOf(manifest: Manifest): readonly (readonly [string, string])[] {
  return [
    ...Object.entries(manifest.dependencies ?? {}),
    ...Object.entries(manifest.devDependencies ?? {}),
    ...Object.entries(manifest.optionalDependencies ?? {}),
    ...Object.entries(manifest.peerDependencies ?? {}),
  ];
}

export const exactVersions: Rule = (files) => {
  const manifest = manifestOf(files);
  return dependenciesOf(manifest)
    .filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
    .map(([name, version]) => `package.json: ${name} "${version}" is not an exact version`);
};

export const reasonedPackages: Rule = (files) => {
  const rows = textOf(files, DEPENDENCY_PAGE)
    .split("\n")
    .filter((line) => line.startsWith("|"));
  return dependenciesOf(manifestOf(files)).flatMap(([name]) =>
    rows.some((row) => row.split("|")[2]?.includes(`\`${name}\``))
      ? []
      : [`package.json: ${name} has no row with a reason in ${DEPENDENCY_PAGE}`],
  );
};

export const usedPackages: Rule = (files) => {
  const imported = new Set(
    files
      .filter(isCode)
      .flatMap(referencesOf)
      .map(({ specifier }) => specifier),
  );
  const isImported = (name: string): boolean =>
    [...imported].some((used) => used === name || used.startsWith(`${name}/`));
  /** Types are used with what they describe. */
  const isUsed = (name: string): boolean => TOOLS.has(name) || isImported(name.replace(/^@types\//, ""));
  return dependenciesOf(manifestOf(files))
    .filter(([name]) => !isUsed(name))
    .map(([name]) => `package.json: ${name} is imported nowhere`);
};

export const lockAgrees: Rule = (files) => {
  const manifest = manifestOf(files);
  const lock: Lock = JSON.parse(textOf(files, "package-lock.json"));
  const locked = lock.packages?.[""];
  const missing = missingOptionals(lock);
  return [
    ...(locked && sortedText(locked) === sortedText(manifest)
      ? []
      : ["package-lock.json is not of this package.json"]),
    ...(lock.version === manifest.version ? [] : ["package-lock.json has another version than package.json"]),
    ...(missing.length === 0
      ? []
      : [
          `package-lock.json lacks ${missing.join(", ")}; npm ci refuses it so: run node .ci/complete-lock.js`,
        ]),
    ...Object.entries(lock.packages ?? {})
      .filter(([, entry]) => entry.resolved !== undefined)
      .map(([path]) => `package-lock.json: ${path} names the host that it came from`),
  ];
};

/** Optional packages of other platforms, which npm leaves out where its registry does not serve them. */
function missingOptionals(lock: Lock): readonly string[] {
  const packages = lock.packages ?? {};
  return Object.entries(packages).flatMap(([path, { optionalDependencies }]) =>
    Object.keys(optionalDependencies ?? {}).filter(
      (name) =>
        packages[`node_modules/${name}`] === undefined &&
        packages[`${path}/node_modules/${name}`] === undefined,
    ),
  );
}

function sortedText(manifest: Manifest): string {
  return dependenciesOf(manifest).map(String).toSorted().join();
}
