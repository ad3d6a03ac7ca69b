import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { grantsOf } from "../../../api/cli/grants.ts";

test.each([
  ["read:table:*", { action: "read", kind: "table", name: "*" }],
  ["admin:*:*", { action: "admin", kind: "*", name: "*" }],
  ["read:table:a.b:columns=x,y", { action: "read", kind: "table", name: "a.b", columns: ["x", "y"] }],
  [
    "read:table:a:rows=t > TIMESTAMP '2026-01-01 10:00:00' AND x = ':columns='",
    {
      action: "read",
      kind: "table",
      name: "a",
      rows: "t > TIMESTAMP '2026-01-01 10:00:00' AND x = ':columns='",
    },
  ],
  [
    "read:table:a:columns=x:rows=country='DE'\nOR true",
    { action: "read", kind: "table", name: "a", columns: ["x"], rows: "country='DE'\nOR true" },
  ],
])("%s", async (text, grant) => {
  expect(await grantsOf({ grant: [text] })).toEqual([grant]);
});

test.each([
  "read",
  "read:table",
  "see:table:a",
  "read:chair:a",
  "read:table:",
  "read:table:a:rows=",
  "read:table:a:cols=x",
])("%s is no grant", async (text) => {
  await expect(grantsOf({ grant: [text] })).rejects.toThrow("is no grant");
});

test("a file adds to the option; what is no list is refused", async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), "muara-grants-"));
  const file = path.join(folder, "grants.json");
  const grant = { action: "read", kind: "table", name: "a:b", columns: ["x,y"] };
  await writeFile(file, JSON.stringify([grant]));
  expect(await grantsOf({ grant: ["read:table:*"], grants: file })).toEqual([
    { action: "read", kind: "table", name: "*" },
    grant,
  ]);
  await writeFile(file, "{}");
  await expect(grantsOf({ grants: file })).rejects.toThrow("no JSON list");
  await expect(grantsOf({ grants: `${file}.gone` })).rejects.toThrow("cannot be read");
  await rm(folder, { recursive: true });
});
