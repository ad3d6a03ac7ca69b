/** A worker for parquet.test.ts: JSON lines in, a Parquet file out. */
import { createKernel } from "../../core/kernel.ts";
import { UNCOMPRESSED } from "../../lake/parquet/event-file.ts";
import { encodeDocuments } from "../lake/parquet/encode-documents.ts";
import { flatType } from "../lake/parquet/flat-type.ts";

const worker = {
  async fetch(request: Request): Promise<Response> {
    // @ts-expect-error -- a bundler makes a compiled module of it
    const { default: module } = (await import("../../core-as/kernel.wasm")) as {
      default: WebAssembly.Module;
    };
    const kernel = createKernel(module, new Uint8Array(16).fill(5));
    const documents = (await request.text()).split("\n");
    return new Response(new Uint8Array(await encodeDocuments(kernel, flatType(), UNCOMPRESSED, documents)));
  },
};

export { worker as default };
