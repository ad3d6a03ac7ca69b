/**
 * DDL, load scripts and contract before foreign judges: sqlglot parses every statement in the dialect of its target,
 * datacontract-cli lints the contract by the standard's own JSON schema. Statements that sqlglot would only take as a
 * whole (a Command) are none; Oracle's block of PL/SQL is beyond it, so that is not judged by anybody here.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { dataContract } from "../../../lake/extract/contract.ts";
import { checkScriptOptions, ddlScript, loadScript } from "../../../lake/extract/scripts.ts";
import { TARGETS, targetType, type Target } from "../../../lake/extract/targets.ts";
import { runPython } from "../../services/python.ts";
import { EVERY_COLUMN, EVERY_TYPE, sampleManifest } from "./samples.ts";

const BASES: Readonly<Record<Target, string>> = {
  oracle: "https://objectstorage.example.com/n/ns/b/lake/o/_extracts",
  snowflake: "@muara",
  bigquery: "gs://lake/_extracts",
  redshift: "s3://lake/_extracts",
};

/** Statements of a script as sqlglot sees them: the kind of each, `Command` for what it did not look into. */
const KINDS = `
import sys, json, logging, sqlglot
logging.disable(logging.WARNING)
dialect, text = sys.argv[1], open(sys.argv[2]).read()
print(json.dumps([type(one).__name__ for one in sqlglot.parse(text, dialect=dialect) if one is not None]))
`;

async function kindsOf(target: Target, script: string): Promise<readonly string[]> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "muara-sqlglot-"));
  try {
    const file = path.join(folder, "script.sql");
    await writeFile(file, script);
    return (await runPython(KINDS, [target, file], { set: "contracts" })) as string[];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const optionsOf = (target: Target) => ({ target, table: "orders_daily", base: BASES[target] });

describe("scripts", () => {
  test.each(TARGETS)(
    "the DDL for %s is one CREATE TABLE in its dialect",
    { timeout: 900_000 },
    async (target) => {
      const { schema } = sampleManifest(2);
      const script = ddlScript(EVERY_TYPE, schema, optionsOf(target));
      expect(await kindsOf(target, script)).toEqual(["Create"]);
      expect(script.toLowerCase()).not.toMatch(/amount\W+(?:float|double|binary_)/);
    },
  );

  const LOADS: Readonly<Record<Target, readonly string[]>> = {
    snowflake: ["Transaction", "Delete", "Delete", "Copy", "Commit"],
    redshift: ["Transaction", "Delete", "Delete", "Copy", "Commit"],
    bigquery: ["LoadData", "Transaction", "Delete", "Delete", "Insert", "Commit"],
    oracle: ["Delete", "Delete", "Insert", "Commit", "Drop"],
  };

  test.each(TARGETS)("the load script for %s parses in its dialect", { timeout: 900_000 }, async (target) => {
    const script = loadScript(EVERY_TYPE, sampleManifest(3), optionsOf(target));
    const blocks = /^BEGIN\n  DBMS_CLOUD[^]*?\nEND;\n\/\n/gm; // sqlglot does not know calls in blocks of PL/SQL
    expect(script.match(blocks)?.length).toBe(target === "oracle" ? 1 : undefined);
    expect(await kindsOf(target, script.replace(blocks, ""))).toEqual(LOADS[target]);
  });

  test("Snowflake takes at most 1,000 names at a time", () => {
    const options = optionsOf("snowflake");
    for (const [files, copies] of [
      [999, 1],
      [1_000, 1],
      [1_001, 2],
    ] as const) {
      const script = loadScript(EVERY_TYPE, sampleManifest(files), options);
      expect(script.match(/COPY INTO/g)?.length).toBe(copies);
      expect(script.match(/\.parquet'/g)?.length).toBe(files);
    }
  });

  test("texts of Oracle's block stay below its limit, whatever the number of files", () => {
    const script = loadScript(EVERY_TYPE, sampleManifest(2_000), optionsOf("oracle"));
    const longest = Math.max(...[...script.matchAll(/'([^']*)'/g)].map(([, inner]) => inner!.length));
    expect(longest).toBeLessThanOrEqual(8_000);
    expect(script).toContain(" || TO_CLOB(");
  });

  test("a name or an address that could end a text is refused", () => {
    const good = optionsOf("bigquery");
    for (const base of ["gs://a'b", "gs://a b", "file", "s3://a/../b", "@a;b", "gs://a\nb"])
      expect(() => checkScriptOptions({ ...good, base }), base).toThrow("base");
    for (const table of ['a"b', "a b", "a;b", "a.b.c.d", "", "1a"])
      expect(() => checkScriptOptions({ ...good, table }), table).toThrow("table");
    for (const target of TARGETS) expect(() => checkScriptOptions(optionsOf(target))).not.toThrow();
  });

  test("a decimal is never a floating point number, an instant keeps its zone", () => {
    for (const target of TARGETS) {
      expect(targetType(target, "DECIMAL(38,12)")).toMatch(/^(?:NUMBER|DECIMAL|BIGNUMERIC)\(38, ?12\)$/);
      expect(targetType(target, "TIMESTAMP WITH TIME ZONE")).toMatch(/ZONE|TZ|^TIMESTAMP$/);
    }
    expect(targetType("oracle", "VARCHAR", 36)).toBe("VARCHAR2(36 CHAR)");
    expect(targetType("redshift", "VARCHAR", 36)).toBe("VARCHAR(144)");
  });
});

/** Lints by the schema of the standard that the file names, without a network. */
const LINT = `
import sys, json, logging
logging.disable(logging.CRITICAL)
from datacontract.data_contract import DataContract
run = DataContract(data_contract_file=sys.argv[1]).lint()
checks = [[c.name, str(c.result.value), c.reason] for c in run.checks]
print(json.dumps({'result': str(run.result.value), 'checks': checks}))
`;

const lint = async (contract: unknown): Promise<{ result: string; checks: unknown[][] }> => {
  const folder = await mkdtemp(path.join(os.tmpdir(), "muara-odcs-"));
  try {
    const file = path.join(folder, "orders_daily.odcs.yaml");
    await writeFile(file, JSON.stringify(contract, null, 2));
    return (await runPython(LINT, [file], { set: "contracts" })) as { result: string; checks: unknown[][] };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

describe("contract", () => {
  test("datacontract-cli accepts it, and refuses it with a mistake in it", { timeout: 900_000 }, async () => {
    const contract = dataContract(EVERY_TYPE, EVERY_COLUMN, "s3://lake/_extracts");
    const { result, checks } = await lint(contract);
    expect([result, checks]).toMatchObject(["passed", [[expect.any(String), "passed", null]]]);
    expect((await lint({ ...contract, schema: [{ name: 5 }] })).result).not.toBe("passed");
  });
});
