/** A kernel for tests: the committed module, with a fixed hash seed. */
import { readFileSync } from "node:fs";
import { createKernel, type Kernel, type KernelOptions } from "../../core/kernel.ts";

const bytes = readFileSync(new URL("../../core-as/kernel.wasm", import.meta.url));
export const kernelModule: WebAssembly.Module = new WebAssembly.Module(bytes);
export const SEED: Uint8Array = Uint8Array.from({ length: 16 }, (_, i) => 0xa0 + i);
export const SECRET: Uint8Array = Uint8Array.from({ length: 16 }, (_, i) => i * 7);

export function testKernel(options: KernelOptions = {}): Kernel {
  return createKernel(kernelModule, SEED, options);
}
