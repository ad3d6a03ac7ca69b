/** The short form of `npm run proof:capture-memory`, in a process of its own: memory is the whole process's. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import type { CaptureMemoryResult } from "./capture-memory.ts";

const PROOF = fileURLToPath(new URL("capture-memory.ts", import.meta.url));

it("a transaction many times larger than its bounds is read within them", async () => {
  const args = [PROOF, "--mebibytes", "150", "--most", "300"];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const result = JSON.parse(stdout) as CaptureMemoryResult;
  expect(result).toMatchObject({ mebibytes: 150, rows: 153_600 });
  expect(result.batches).toBeGreaterThan(30);
}, 120_000);
