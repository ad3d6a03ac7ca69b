/**
 * Shared parts of tables over HTTP, beside the matrix of rights: an address ends when the right becomes another, a
 * declaration that cannot be applied is refused, an erasure takes the files of parts away, and the limits are told.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readShare } from "./rights-shares.ts";
import { orderEvent, orderType, startStack, type Stack } from "./stack.ts";

const TYPE = "order.created";
const EVENTS = 12;
const SLOW_MS = 300_000;

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
  expect((await stack.call("POST", "/event-types", orderType(TYPE, 1))).status).toBe(201);
  const events = Array.from({ length: EVENTS }, (_, i) => orderEvent(i, String(i)));
  expect((await stack.call("POST", `/event-types/${TYPE}/events`, `[${events.join(",")}]`)).status).toBe(200);
  await stack.settled(TYPE);
}, SLOW_MS);
afterAll(() => stack.close());

const declare = (name: string, options: object): Promise<Response> =>
  stack.call("POST", "/v1/shares", { name, tables: { [TYPE]: { as: "a.t", ...options } } });

async function partFiles(): Promise<readonly string[]> {
  const folder = join(stack.data, "lake", TYPE, "_parts");
  const entries = await readdir(folder, { recursive: true }).catch(() => []);
  return entries.filter((name) => name.endsWith(".parquet") || name.endsWith(".json"));
}

test("a part that cannot be applied is refused, and told where", { timeout: SLOW_MS }, async () => {
  for (const [options, reason] of [
    [{ columns: ["nothing"] }, "has no column"],
    [{ rows: "nothing = 1" }, "has no column"],
    [{ rows: "number = (SELECT 1)" }, "not allowed"],
    [{ rows: "number < now()" }, "not allowed"],
  ] as const) {
    const response = await declare("bad", options);
    const problem = (await response.json()) as { code: string; detail: string };
    expect([response.status, problem.code], JSON.stringify(options)).toEqual([422, "share.invalid"]);
    expect(problem.detail).toContain(reason);
  }
  const both = await declare("bad", { granted: true, rows: "number = 1" });
  expect(both.status).toBe(400);
});

test(
  "an address ends when its part is another's, and data files are nobody's",
  { timeout: SLOW_MS },
  async () => {
    expect((await declare("granted", { granted: true })).status).toBe(201);
    const role = async (rows: string): Promise<void> => {
      const grants = [
        { action: "read", kind: "share", name: "granted" },
        { action: "read", kind: "table", name: TYPE, rows },
      ];
      expect((await stack.call("PUT", "/v1/roles/reader", { grants })).status).toBeLessThan(300);
    };
    await role("number < 4");
    const created = await stack.call("POST", "/v1/tokens", { description: "t", roles: ["reader"] });
    const { token } = (await created.json()) as { token: string };
    const first = (await readShare(stack, "granted", token))!;
    expect(first.rows).toHaveLength(4);
    const [address] = first.addresses;
    expect((await fetch(address!)).status).toBe(200);
    await role("number >= 4");
    expect((await fetch(address!)).status).toBe(403);
    const second = (await readShare(stack, "granted", token))!;
    expect(second.rows).toHaveLength(EVENTS - 4);
    // Who reads all of it is given the data files; afterwards they are not for him.
    const whole = (await readShare(stack, "granted", stack.token))!;
    expect(whole.rows).toHaveLength(EVENTS);
    expect(whole.addresses[0]).not.toContain(Buffer.from("_parts").toString("base64url"));
    const shown = (await (await stack.call("GET", "/v1/shares/granted")).json()) as { tables: object[] };
    expect(shown.tables).toEqual([expect.objectContaining({ part: "as granted" })]);
  },
);

test(
  "an erasure takes the files of parts away, and the next ones do without",
  { timeout: SLOW_MS },
  async () => {
    expect(
      (await declare("low", { rows: "number < 6", columns: ["number", "note", "event_id"] })).status,
    ).toBe(201);
    const before = (await readShare(stack, "low", stack.token))!;
    expect(before.sent.includes("n3")).toBe(true);
    expect((await partFiles()).length).toBeGreaterThan(0);
    const request = { event_types: [TYPE], where: { column: "note", value: "n3" }, reason: "asked for" };
    const erased = await stack.call("POST", "/v1/erasures", request);
    expect(erased.status, await erased.text()).toBeLessThan(300);
    expect(await partFiles()).toEqual([]);
    expect((await fetch(before.addresses[0]!)).status).toBe(404);
    const after = (await readShare(stack, "low", stack.token))!;
    expect(new Set(after.rows.map(({ note }) => note))).toEqual(new Set(["n0", "n1", "n2", "n4", "n5"]));
    expect(after.rows).toHaveLength(5);
    expect(after.sent.includes("n3")).toBe(false);
  },
);
