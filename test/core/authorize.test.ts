import { describe, expect, test } from "vitest";
import { isAuthorized, mayGrant, readRight, type Grant, type Principal } from "../../core/authorize.ts";

const holding = (...grants: Grant[]): Principal => ({ id: "p", grants });
const whole = (name: string, action: Grant["action"] = "read"): Grant => ({ action, kind: "table", name });
const part = (columns: readonly string[] | undefined, rows?: string): Grant => ({
  ...whole("orders"),
  ...(columns ? { columns } : {}),
  ...(rows === undefined ? {} : { rows }),
});

describe("what of a table one may read", () => {
  test("nothing without a principal or a grant, nothing by a grant on another table", () => {
    expect(readRight(undefined, "orders")).toBeUndefined();
    expect(readRight(holding(), "orders")).toBeUndefined();
    expect(readRight(holding(whole("Orders"), whole("orders", "write")), "orders")).toBeUndefined();
  });

  test("a whole grant outweighs every part", () => {
    for (const grant of [whole("orders"), whole("*"), whole("orders", "admin"), { ...whole("*"), kind: "*" }])
      expect(readRight(holding(part(["a"]), grant as Grant), "orders")).toEqual({
        isWhole: true,
        scopes: [{}],
      });
  });

  test("a part is no right to the table", () => {
    const principal = holding(part(["a"]), part(undefined, "x = 1"));
    expect(isAuthorized(principal, "read", { kind: "table", name: "orders" })).toBe(false);
    expect(readRight(principal, "orders")?.isWhole).toBe(false);
  });

  test("a part counts only as read of one table by name", () => {
    const rows = "x = 1";
    for (const grant of [
      { ...whole("*"), rows },
      { ...whole("orders"), kind: "*", rows },
      { ...whole("orders", "admin"), rows },
      { ...whole("orders", "write"), rows },
    ] as Grant[])
      expect(readRight(holding(grant), "orders"), JSON.stringify(grant)).toBeUndefined();
  });

  test("parts of the same rows add up their columns, parts of the same columns their rows", () => {
    expect(readRight(holding(part(["b"], "x = 1"), part(["A", "b"], "x = 1")), "orders")?.scopes).toEqual([
      { columns: ["a", "b"], rows: "x = 1" },
    ]);
    expect(readRight(holding(part(["b", "a"], "x = 1"), part(["A", "B"], "y")), "orders")?.scopes).toEqual([
      { columns: ["a", "b"], rows: "(x = 1\n) OR (y\n)" },
    ]);
    expect(readRight(holding(part(["a"]), part(["a"], "x = 1")), "orders")?.scopes).toEqual([
      { columns: ["a"], rows: undefined },
    ]);
  });

  test("parts that differ in both stay apart", () => {
    const right = readRight(holding(part(["a"]), part(undefined, "x = 1")), "orders");
    expect(right).toEqual({
      isWhole: false,
      scopes: [
        { columns: ["a"], rows: undefined },
        { columns: undefined, rows: "x = 1" },
      ],
    });
  });
});

test("only admin of the resource gives rights to it away", () => {
  expect(mayGrant(holding(whole("orders")), whole("orders"))).toBe(false);
  expect(mayGrant(holding(whole("orders", "admin")), part(["a"]))).toBe(true);
  expect(mayGrant(holding(whole("orders", "admin")), whole("*"))).toBe(false);
  expect(mayGrant(holding(whole("*", "admin")), { ...whole("orders"), kind: "*" })).toBe(false);
});
