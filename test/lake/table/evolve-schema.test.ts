/** Schemas that grow: what is added, what gets wider, and what is refused by name. */
import assert from "node:assert/strict";
import { describe, it } from "vitest";
import { hasCode } from "../../../core/errors.ts";
import { arrayOf, decimal, type DeltaType, field, struct } from "../../../lake/table/delta-schema.ts";
import { evolveSchema } from "../../../lake/table/evolve-schema.ts";

const refusal = (present: DeltaType, wanted: DeltaType): string => {
  try {
    evolveSchema(struct(field("a", present)), struct(field("a", wanted)));
    return "";
  } catch (error) {
    assert.ok(hasCode(error, "table.unsupported"));
    return (error as Error).message;
  }
};

describe("a schema grows", () => {
  it("not at all where everything is there, in whatever order", () => {
    const present = struct(field("a", "long"), field("b", struct(field("x", "string"), field("y", "date"))));
    const wanted = struct(field("b", struct(field("y", "date"))), field("a", "long"));
    assert.equal(evolveSchema(present, wanted), undefined);
  });

  it("by columns at the end, at any depth; they are nullable, and nothing that was there moves", () => {
    const inner = struct(field("x", "long"));
    const present = struct(
      field("a", "long", { comment: "kept" }),
      field("s", inner),
      field("l", arrayOf(inner)),
    );
    const wider = struct(field("x", "long"), field("y", arrayOf("string")));
    const wanted = struct(
      { ...field("new", "string"), nullable: false },
      field("l", arrayOf(wider)),
      field("s", wider),
      field("a", "long"),
    );
    const step = evolveSchema(present, wanted)!;
    assert.deepEqual(step.added, ["s.y", "l[].y", "new"]);
    assert.deepEqual(step.widened, []);
    assert.deepEqual(
      step.schema,
      struct(
        field("a", "long", { comment: "kept" }),
        field("s", wider),
        field("l", arrayOf(wider)),
        field("new", "string"),
      ),
    );
    assert.equal(evolveSchema(step.schema, wanted), undefined);
  });

  it("to nullable where the writer has no value", () => {
    const strict = struct({ ...field("a", "long"), nullable: false });
    const step = evolveSchema(strict, struct(field("a", "long")))!;
    assert.deepEqual([step.added, step.widened], [[], []]);
    assert.deepEqual(step.schema, struct(field("a", "long")));
  });

  it.each([
    ["byte", "short"],
    ["short", "long"],
    ["integer", "double"],
    ["float", "double"],
    ["long", decimal(19, 0)],
    ["long", decimal(38, 19)],
    ["integer", decimal(12, 2)],
    [decimal(10, 2), decimal(11, 2)],
    [decimal(10, 2), decimal(12, 4)],
  ] as const)("%s becomes %s", (present, wanted) => {
    const step = evolveSchema(
      struct(field("s", arrayOf(struct(field("a", present))))),
      struct(field("s", arrayOf(struct(field("a", wanted))))),
    )!;
    assert.deepEqual(step.widened, ["s[].a"]);
    assert.deepEqual(step.schema, struct(field("s", arrayOf(struct(field("a", wanted))))));
  });

  it.each([
    ["long", "integer"],
    ["long", "double"],
    ["long", decimal(18, 0)],
    ["long", decimal(20, 2)],
    ["double", "float"],
    ["double", decimal(38, 10)],
    [decimal(10, 2), decimal(10, 1)],
    [decimal(10, 2), decimal(10, 3)],
    [decimal(10, 2), "double"],
    ["string", "long"],
    ["date", "timestamp"],
    ["string", struct(field("x", "long"))],
    [arrayOf("long"), "long"],
    [arrayOf("string"), arrayOf("long")],
  ] as const)("%j does not become %j", (present, wanted) => {
    assert.match(refusal(present, wanted), /cannot take what is declared: a/);
  });

  it("refuses a name that differs in case only, and names all that is impossible", () => {
    const present = struct(field("a", "long"), field("Id", "long"), field("s", struct(field("x", "string"))));
    const wanted = struct(field("a", "string"), field("id", "long"), field("s", struct(field("x", "long"))));
    assert.throws(
      () => evolveSchema(present, wanted),
      (error) => hasCode(error, "table.unsupported") && String(error.details["columns"]) === "a,Id,s.x",
    );
  });
});
