/**
 * Every house rule against planted violations: a rule that finds nothing may be blind. The list below must name
 * each rule, and for each there is a clean twin that must pass.
 */
import { describe, expect, test } from "vitest";
import { referencesOf } from "./imports.ts";
import { DEPENDENCY_PAGE } from "./package.ts";
import { RULES } from "./rules.ts";
import { functionSpans } from "./shape.ts";
import { splitText, type SourceFile } from "./source-file.ts";

interface Plant {
  readonly rule: string;
  readonly bad: readonly SourceFile[];
  /** Every part must occur in the answer. */
  readonly says: readonly string[];
  readonly good: readonly SourceFile[];
}

const file = (path: string, text: string): SourceFile => ({ path, text });
const repeat = (count: number, line: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => line(i)).join("\n");

const house = [
  file("core/event.ts", ""),
  file("lake/table.ts", ""),
  file("adapters/open.ts", ""),
  file("adapters/file/log.ts", ""),
  file("adapters/kafka/log.ts", ""),
  file("workers/loop.ts", ""),
  file("api/app.ts", ""),
  file("muara.ts", ""),
  file("test/fake.ts", ""),
];
const importing = (path: string, ...specifiers: readonly string[]): readonly SourceFile[] => [
  ...house.filter((other) => other.path !== path),
  file(path, specifiers.map((specifier) => `import { x } from "${specifier}";\n`).join("")),
];

const manifest = (dependencies: Record<string, string>): SourceFile =>
  file("package.json", JSON.stringify({ version: "1.0.0", dependencies }));
const lock = (version: string, dependencies: Record<string, string>, entry: object = {}): SourceFile =>
  file(
    "package-lock.json",
    JSON.stringify({ version, packages: { "": { dependencies }, "node_modules/zod": entry } }),
  );

const IMPORT_PLANTS: readonly (readonly [string, string, string])[] = [
  ["core/a.ts", "../lake/table.ts", "core may import only core"],
  ["core/a.ts", "node:fs", "core runs on every runtime"],
  ["core/a.ts", "hono", "core uses no package but zod"],
  ["core/a.ts", "ajv", "core uses no package but zod"],
  ["lake/a.ts", "../workers/loop.ts", "lake may import only core, lake"],
  ["lake/a.ts", "../adapters/file/log.ts", "lake may import only core, lake"],
  ["workers/land/a.ts", "../../api/app.ts", "workers may import only core, lake, workers"],
  ["workers/land/a.ts", "../../adapters/open.ts", "workers may import only"],
  ["api/a.ts", "../workers/loop.ts", "api may import only core, lake, api"],
  ["api/a.ts", "../muara.ts", "api may import only"],
  ["adapters/file/a.ts", "../kafka/log.ts", "adapters/file may import only core, adapters/file"],
  ["adapters/file/a.ts", "../open.ts", "adapters/file may import only"],
  ["adapters/file/a.ts", "../../lake/table.ts", "adapters/file may import only"],
  ["adapters/open.ts", "../lake/table.ts", "adapters/open may import only"],
  ["core-as/a.ts", "../core/event.ts", "core-as may import only core-as"],
  ["muara.ts", "./test/fake.ts", "nothing imports tests or benches"],
  ["test/a.ts", "../core/gone.ts", "does not exist"],
  ["core/a.ts", "./event", "does not exist (write the extension)"],
  ["workers/ingest/app.ts", "../../core-as/kernel.wasm", "does not exist"],
  ["scripts/a.ts", "../core/event.ts", "no place in the import rule"],
  ["api/a.ts", "hyparquet", "belongs to lake/"],
  ["api/a.ts", "@duckdb/node-api", "belongs to lake/"],
  ["lake/a.ts", "left-pad", "no decision page knows"],
  ["lake/a.ts", "fs", "no decision page knows"],
];

const PLANTS: readonly Plant[] = [
  ...IMPORT_PLANTS.map(([path, specifier, say]) => ({
    rule: "imports point one way",
    bad: importing(path, specifier),
    says: [`${path}:1`, say],
    good: [...importing("lake/b.ts", "../core/event.ts", "./table.ts", "node:path", "hyparquet/x.js")],
  })),
  {
    rule: "imports point one way",
    bad: [file("lake/a.ts", "const name = pick();\nawait import(name);\nnew URL(`./x`);\n")],
    says: ["lake/a.ts:2 imports a computed path"],
    good: importing(
      "workers/ingest/edge.ts",
      "../../adapters/open.ts",
      "../../adapters/kafka/log.ts",
      "../../core-as/kernel.wasm",
      "hono",
    ),
  },
  {
    rule: "imports point one way",
    bad: [...house, file("lake/a.ts", 'fork(new URL("../api/app.ts", import.meta.url));')],
    says: ["lake/a.ts:1 imports api/app.ts"],
    good: [
      ...house,
      file("muara.ts", 'await import("./adapters/open.ts");\nimport { y } from "./api/app.ts";'),
    ],
  },
  {
    rule: "nothing imports itself",
    bad: [
      file("lake/a.ts", 'import { b } from "./b.ts";'),
      file("lake/b.ts", 'import type { C } from "./c.ts";'),
      file("lake/c.ts", 'const a = await import("./a.ts");'),
      file("lake/d.ts", 'import { a } from "./a.ts";'),
    ],
    says: ["lake/a.ts:1 stands in a circle of imports: lake/a.ts, lake/b.ts, lake/c.ts"],
    good: [
      file("lake/a.ts", 'import { b } from "./b.ts";\nimport { c } from "./c.ts";'),
      file("lake/b.ts", 'import { c } from "./c.ts";'),
      file("lake/c.ts", ""),
    ],
  },
  {
    rule: "the root stays small",
    bad: [file("scripts/x.ts", ""), ...Array.from({ length: 21 }, (_, i) => file(`file-${i}.md`, ""))],
    says: ["scripts/ is no folder of this house", "the root holds 21 files"],
    good: [file(".ci/run", ""), file("core/a.ts", ""), file("README.md", "")],
  },
  {
    rule: "enough files are seen",
    bad: [file("core/a.ts", "")],
    says: ["core/ shows 1 files", "lake/ shows 0 files", "test/ shows 0 files"],
    good: ["core", "core-as", "adapters", "lake", "workers", "api", "test", "docs/decisions"].flatMap(
      (folder) => Array.from({ length: 60 }, (_, i) => file(`${folder}/file-${i}`, "")),
    ),
  },
  {
    rule: "files are named for their noun",
    bad: [
      file("core/someThing.ts", ""),
      file("lake/Table/a.ts", ""),
      file("docs/decisions/first.md", ""),
      file("notebooks/First-Look.py", ""),
    ],
    says: ["core/someThing.ts", "lake/Table/a.ts", "docs/decisions/first.md", "notebooks/First-Look.py"],
    good: [file("core/event-type.ts", ""), file("docs/decisions/001-a.md", ""), file("docs/GLOSSARY.md", "")],
  },
  {
    rule: "files are short",
    bad: [
      file(
        "core/a.ts",
        repeat(501, (i) => `line${i}();`),
      ),
    ],
    says: ["core/a.ts has 501 lines"],
    good: [file("core/a.ts", `${repeat(500, (i) => `line${i}();`)}\n`)],
  },
  {
    rule: "functions are short",
    bad: [
      file("core/a.ts", `export function long(\n  a: number,\n): void {\n${repeat(70, () => "  x();")}\n}\n`),
      file(
        "core/b.ts",
        `class B {\n  async #run(): Promise<void> {\n${repeat(70, () => "    x();")}\n  }\n}\n`,
      ),
      file("core/c.ts", `const run = async () => {\n${repeat(70, () => "  x();")}\n};\n`),
    ],
    says: ["core/a.ts:1 has 74 lines", "core/b.ts:2 has 72 lines", "core/c.ts:1 has 72 lines"],
    good: [
      file("core/a.ts", `export function short(): void {\n${repeat(68, () => "  x();")}\n}\n`),
      file("core/b.ts", `class B {\n${repeat(30, (i) => `  m${i}(): void {\n    x();\n  }`)}\n}\n`),
      file(
        "core/c.ts",
        `function make() {\n${repeat(30, (i) => `  const m${i} = () => {\n    x();\n  };`)}\n}\n`,
      ),
      file("core/d.ts", `const table = {\n${repeat(90, (i) => `  k${i}: 1,`)}\n};\n`),
    ],
  },
  {
    rule: "lines are short",
    bad: [file("core/a.ts", `\n// ${"x".repeat(118)}\n`)],
    says: ["core/a.ts:2 is 121 wide"],
    good: [file("core/a.ts", `// ${"x".repeat(117)}\n`), file("docs/a.md", "x".repeat(400))],
  },
  {
    rule: "exports have names",
    bad: [file("core/a.ts", "export default 1;"), file("core/b.ts", "export { a as default };")],
    says: ["core/a.ts:1", "core/b.ts:1"],
    good: [
      file("vitest.config.ts", "export default 1;"),
      file("core/a.ts", '// export default\nf("as default");'),
    ],
  },
  {
    rule: "nothing only passes on",
    bad: [
      file("core/index.ts", '/** All. */\nexport * from "./a.ts";\nexport { b } from "./b.ts";\n'),
      file("core/types.ts", 'export type { C } from "./c.ts";\n'),
    ],
    says: ["core/index.ts only passes on", "core/types.ts only passes on"],
    good: [
      file("core/a.ts", 'export { b } from "./b.ts";\nexport const c = 1;\n'),
      file("core/empty.ts", ""),
    ],
  },
  {
    rule: "files say what they are",
    bad: [file("core/a.ts", 'import { x } from "./x.ts";\n/** Late. */\n')],
    says: ["core/a.ts starts without a comment"],
    good: [
      file("core/a.ts", "/** What it is. */\n"),
      file("muara.js", "#!/usr/bin/env node\n// What it is.\n"),
    ],
  },
  {
    rule: "one word per thing",
    bad: [
      file("core/a.ts", "const quarantineCount = 1; // the topic of Kafka\n"),
      file("core/b.ts", "/** Puts it into a bucket. */\nconst messageKey = 1;\n"),
      file("core/c.ts", "function onTopics(msg: string) {}\n"),
    ],
    says: ["core/a.ts:1", "core/b.ts:1", "core/b.ts:2", 'core/c.ts:1 "Topics"', 'core/c.ts:1 "msg"'],
    good: [
      file("core/a.ts", 'const topicId = error.message; say("quarantine"); // `span_ctx`\n'),
      file("adapters/kafka/log.ts", "const topic = 1;\n"),
      file("docs/a.md", "quarantine"),
    ],
  },
  {
    rule: "time and chance are passed in",
    bad: [
      file("core/a.ts", "const a = Date.now();\nconst b = Math.random();\nsetTimeout(f, 1);\n"),
      file("lake/b.ts", "const c = new Date();\nconst d = performance.now();\ncrypto.randomUUID();\n"),
    ],
    says: ["core/a.ts:1", "core/a.ts:2", "core/a.ts:3", "lake/b.ts:1", "lake/b.ts:2", "lake/b.ts:3"],
    good: [
      file("core/clock.ts", "Date.now();"),
      file("adapters/file/a.ts", "setTimeout(f, 1);"),
      file("core/a.ts", 'new Date(ms); // not Date.now()\nsay("Date.now()"); clock.setTimeout(1);\n'),
    ],
  },
  {
    rule: "nothing prints behind the logger",
    bad: [file("core/a.ts", "\nconsole.log(1);\n")],
    says: ["core/a.ts:2"],
    good: [file("bench/a.ts", "console.log(1);"), file("core/a.ts", "// console.log\n")],
  },
  {
    rule: "every test runs",
    bad: [
      file(
        "test/a.test.ts",
        'test.only("x", f);\ndescribe.skip("x", f);\ntest.todo("x");\nit.skipIf(y)("x", f);\n',
      ),
      file("test/b.test.ts", 'xit("x", f);\n'),
    ],
    says: [
      "test/a.test.ts:1",
      "test/a.test.ts:2",
      "test/a.test.ts:3",
      "test/a.test.ts:4",
      "test/b.test.ts:1",
    ],
    good: [file("test/a.test.ts", 'test("skip(", f); fit.value; reader.skipBytes(1);\n')],
  },
  {
    rule: "nothing is left for later",
    bad: [file("core/a.ts", "// TODO later\n"), file("docs/a.md", "\nFIXME\n")],
    says: ["core/a.ts:1", "docs/a.md:2"],
    good: [file("core/a.ts", 'const state = "TODO"; // todo lists are fine\n')],
  },
  {
    rule: "no place of one machine",
    bad: [
      file("README.md", `see ${["", "root", "x"].join("/")}`),
      file("a.json", `"${["", "work", "y"].join("/")}"`),
    ],
    says: ["README.md:1", "a.json:1"],
    good: [file("README.md", "see ./work/x, lake/root/x and https://example.org/home/x")],
  },
  {
    rule: "versions are exact",
    bad: [manifest({ zod: "^4.0.0", hono: "latest" })],
    says: ["zod", "hono"],
    good: [manifest({ zod: "4.0.0", duck: "1.5.5-r.5" })],
  },
  {
    rule: "every package has a reason",
    bad: [
      manifest({ zod: "4.0.0" }),
      file(DEPENDENCY_PAGE, "We use `zod` a lot.\n| x | `hono` | not `zod` |\n"),
    ],
    says: ["zod has no row"],
    good: [manifest({ zod: "4.0.0" }), file(DEPENDENCY_PAGE, "| validation | `zod` 4 | why |\n")],
  },
  {
    rule: "every package is used",
    bad: [
      manifest({ zod: "4.0.0", "@types/pg": "8.0.0" }),
      file("core/a.ts", '// import { z } from "zod";\nsay("zod");\n'),
    ],
    says: ["zod is imported nowhere", "@types/pg is imported nowhere"],
    good: [
      manifest({ zod: "4.0.0", "@types/zod": "4.0.0" }),
      file("core/a.ts", 'import { z } from "zod/mini";\n'),
    ],
  },
  {
    rule: "the lock agrees and names no host",
    bad: [
      manifest({ zod: "4.0.0" }),
      lock(
        "0.9.0",
        { zod: "4.0.1" },
        { resolved: "https://example.org/zod.tgz", optionalDependencies: { mac: "1.0.0" } },
      ),
    ],
    says: ["not of this package.json", "another version", "node_modules/zod names the host", "lacks mac"],
    good: [manifest({ zod: "4.0.0" }), lock("1.0.0", { zod: "4.0.0" })],
  },
];

describe("planted violations", () => {
  const rules = new Map(RULES);

  test("every rule has a plant, every plant a rule", () => {
    expect([...new Set(PLANTS.map((plant) => plant.rule))]).toEqual([...rules.keys()]);
  });

  test.each(PLANTS.map((plant) => [plant.rule, plant.says.join(", "), plant] as const))(
    "%s: %s",
    (_r, _s, plant) => {
      const rule = rules.get(plant.rule)!;
      const found = rule(plant.bad).join("\n");
      for (const part of plant.says) expect(found).toContain(part);
      expect(rule(plant.good)).toEqual([]);
    },
  );
});

describe("the split into code, comments and quotes", () => {
  const SAMPLE = [
    'const a = "// no comment"; // a comment with "quotes"',
    "const b = `text ${inner(`deep ${x} {`)} } // text`; /* block",
    "still a comment */ const c = /[/\"'`]{2}\\//g.test(d) ? 4 / 2 / 1 : 'it\\'s';",
  ].join("\n");

  test("keeps length and lines, and takes nothing for something else", () => {
    const { code, comments } = splitText(SAMPLE);
    expect([code.length, comments.length]).toEqual([SAMPLE.length, SAMPLE.length]);
    expect(comments.split("\n").map((line) => line.trim())).toEqual([
      '// a comment with "quotes"',
      "/* block",
      "still a comment */",
    ]);
    expect(code.replaceAll(/ +/g, " ").split("\n")).toEqual([
      'const a = " "; ',
      "const b = ` ${inner(` ${x} `)} `; ",
      " const c = / /g.test(d) ? 4 / 2 / 1 : ' ';",
    ]);
  });

  test("finds every kind of import and none in quoted text", () => {
    const text = [
      'import { a,\n  b } from "./one.ts";',
      'import type { C } from "./two.ts";',
      'export { d } from "./three.ts";',
      'import "./four.ts";',
      'const e = await import("./five.ts");',
      'new URL("./six.ts", import.meta.url);',
      "await import(name);",
      "const text = 'import { x } from \"./seven.ts\"';",
      '// import { x } from "./eight.ts";',
      "export interface F { from: string }",
    ].join("\n");
    const found = referencesOf(file("lake/a.ts", text)).map(({ kind, specifier, line }) => [
      kind,
      specifier,
      line,
    ]);
    expect(found).toEqual([
      ["import", "./one.ts", 2],
      ["import", "./two.ts", 3],
      ["import", "./three.ts", 4],
      ["import", "./four.ts", 5],
      ["import", "./five.ts", 6],
      ["url", "./six.ts", 7],
      ["computed", "", 8],
    ]);
  });

  test("measures functions, not calls, tables or branches", () => {
    const text = [
      "export async function a<T>(",
      "  x: T,",
      "): Promise<T> {",
      "  if (x) {",
      "    y();",
      "  } else {",
      "    z({",
      "      k: 1,",
      "    });",
      "  }",
      "  return [1].map((v) => {",
      "    return v;",
      "  });",
      "}",
      "class B extends A(1) {",
      "  get c(): number {",
      "    return 1;",
      "  }",
      "  test.each([",
      "    1,",
      "  ])(name, () => {",
      "    d();",
      "  });",
      "  call(1, {",
      "    k: 2,",
      "  });",
      "}",
    ].join("\n");
    expect(functionSpans(text).map(({ line, lines, ownLines }) => [line, lines, ownLines])).toEqual([
      [1, 14, 11],
      [11, 3, 3],
      [16, 3, 3],
      [21, 3, 3],
    ]);
  });
});
