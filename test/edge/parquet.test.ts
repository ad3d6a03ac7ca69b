/** Parquet without any native engine: a real workerd isolate writes the same bytes as this process. */
import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { Miniflare } from "miniflare";
import { expect, test } from "vitest";
import { createKernel } from "../../core/kernel.ts";
import { UNCOMPRESSED } from "../../lake/parquet/event-file.ts";
import { encodeDocuments } from "../lake/parquet/encode-documents.ts";
import { flatDocuments } from "../lake/parquet/flat-documents.ts";
import { flatType } from "../lake/parquet/flat-type.ts";
import { bundleOf, KERNEL_NAME } from "./bundle.ts";

test("an edge isolate writes the same bytes", { timeout: 120_000 }, async () => {
  const { code, imports } = await bundleOf(new URL("parquet-worker.ts", import.meta.url));
  expect(imports.filter((name) => name.startsWith("node:"))).toEqual([]);
  const kernel = readFileSync(new URL("../../core-as/kernel.wasm", import.meta.url));
  const isolate = new Miniflare({
    cf: false,
    compatibilityDate: "2026-07-01",
    modules: [
      { type: "ESModule", path: "edge.js", contents: code },
      { type: "CompiledWasm", path: KERNEL_NAME, contents: kernel },
    ],
  });
  try {
    const documents = fc.sample(flatDocuments, 40).flat();
    const body = documents.join("\n");
    const response = await isolate.dispatchFetch("https://edge.example/", { method: "POST", body });
    const there = new Uint8Array(await response.arrayBuffer());
    expect(response.status, new TextDecoder().decode(there.subarray(0, 500))).toBe(200);
    const here = createKernel(new WebAssembly.Module(kernel), new Uint8Array(16).fill(5));
    const wanted = await encodeDocuments(here, flatType(), UNCOMPRESSED, documents);
    expect(Buffer.compare(there, wanted)).toBe(0);
  } finally {
    await isolate.dispose();
  }
});
