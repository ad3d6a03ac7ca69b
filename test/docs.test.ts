/** The documentation against the tree: links lead somewhere, generated pages are current, figures are the defaults. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { parseKafkaAddress } from "../adapters/kafka/address.ts";
import { parseS3Address } from "../adapters/s3/address.ts";
import { resolveConfig } from "../core/config.ts";
import { cliPage } from "../docs/generate-cli.ts";
import { configPage } from "../docs/generate-config.ts";
import { errorsPage } from "../docs/generate-errors.ts";
import { apiPage } from "./reference/api-page.ts";
import { listSourceFiles } from "./tidy/source-file.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const files = listSourceFiles(root);
const pages = files.filter((file) => file.path.endsWith(".md"));
const read = (path: string): string => readFileSync(join(root, path), "utf8");

/** `[text](target)` and `![text](target)` that stay in the repository. */
function linksOf(text: string): readonly string[] {
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map((match) => match[1]!)
    .filter((target) => !/^(https?:|mailto:|#)/.test(target));
}

/** The anchor that a heading gets: lower case, punctuation dropped, spaces as dashes. */
function anchorsOf(text: string): readonly string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map((match) =>
    match[1]!
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  );
}

/** Paths in backquotes that look like files of this repository and must exist. */
function pathsOf(text: string): readonly string[] {
  const folders = "core|core-as|adapters|lake|workers|api|test|bench|docs";
  const pattern = new RegExp(`\`((?:${folders})/[\\w./-]*)\``, "g");
  return [...text.matchAll(pattern)].map((match) => match[1]!);
}

describe("documentation", () => {
  test("docs/ERRORS.md is what the error table says", () => {
    expect(read("docs/ERRORS.md"), "run: npx node docs/generate-errors.ts").toBe(errorsPage());
  });

  test("docs/API.md is what the description of the API says", () => {
    expect(read("docs/API.md"), "run: npx node test/reference/api-page.ts").toBe(apiPage());
  });

  test("docs/CONFIG.md is what the configuration schema says", () => {
    expect(configPage()).toContain("| `land.commitMs` | `MUARA_LAND_COMMIT_MS` | `500` |");
    expect(read("docs/CONFIG.md"), "run: npx node docs/generate-config.ts").toBe(configPage());
  });

  test("docs/CLI.md is what the program says of its commands", () => {
    expect(cliPage()).toContain("### `muara table rollback`");
    expect(read("docs/CLI.md"), "run: npx node docs/generate-cli.ts").toBe(cliPage());
  });

  test("every link leads somewhere", () => {
    expect(pages.length).toBeGreaterThan(15);
    const broken = pages.flatMap((page) =>
      linksOf(page.text).flatMap((link) => {
        const [path, anchor] = link.split("#");
        const target = join(root, dirname(page.path), path!);
        if (!existsSync(target)) return [`${page.path}: ${link}`];
        if (anchor !== undefined && !anchorsOf(readFileSync(target, "utf8")).includes(anchor))
          return [`${page.path}: ${link} (no such heading)`];
        return [];
      }),
    );
    expect(broken).toEqual([]);
  });

  test("every path named exists, unless its paragraph says that it is planned", () => {
    const missing = pages
      .filter((page) => page.path !== "CHANGELOG.md")
      .flatMap((page) =>
        page.text
          .split(/\n(?:\n|(?=[|*-] ?))/)
          .filter((paragraph) => !/planned|will /.test(paragraph))
          .flatMap(pathsOf)
          .filter((path) => !existsSync(join(root, path)))
          .map((path) => `${page.path}: ${path}`),
      );
    expect(missing).toEqual([]);
  });

  test("the planted link and path are found", () => {
    expect(linksOf("see [x](gone.md#a) and [y](https://example.org)")).toEqual(["gone.md#a"]);
    expect(pathsOf("`core/gone.ts`, `core`, `x/y.ts`")).toEqual(["core/gone.ts"]);
    expect(anchorsOf("# A, b & c\n")).toEqual(["a-b--c"]);
  });

  test("the limits in the README are the defaults", () => {
    const { limits, query } = resolveConfig({ environment: {} }).config;
    const table = read("README.md").split("## Limits")[1]?.split("\n## ")[0] ?? "";
    const figures = [limits.eventBytes, limits.batchEvents, limits.depth, query.rows, query.rowsMax];
    for (const figure of figures) expect(table).toContain(` ${figure.toLocaleString("en-US")} `);
    expect(table).toContain(` ${limits.bodyBytes / 1_048_576} MiB `);
    expect(table).toContain(` ${query.sqlBytes / 1_024} kB `);
  });

  test("what compose.yaml says to Muara is understood", () => {
    const settings = Object.fromEntries(
      [...read("compose.yaml").matchAll(/^ +((?:MUARA|AWS)_[A-Z_]+): (.+)$/gm)].map(([, key, value]) => [
        key!,
        value!,
      ]),
    );
    const { config } = resolveConfig({ environment: settings });
    expect(parseKafkaAddress(config.log!)).toMatchObject({ brokers: [{ host: "kafka", port: 9_092 }] });
    expect(parseS3Address(config.lake!)).toMatchObject({ base: "http://s3:7070/lake", prefix: "shop" });
    expect(config.host).toBe("0.0.0.0");
    expect(Object.keys(settings)).toContain("AWS_SECRET_ACCESS_KEY");
  });

  test("CONTRIBUTING.md stays short", () => {
    expect(read("CONTRIBUTING.md").split("\n").length).toBeLessThanOrEqual(61);
  });
});
