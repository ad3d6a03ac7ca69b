/** A kernel for tests: the committed module, with a fixed hash seed. */
import { readFileSync } from "node:fs";
import { inspect, isDeepStrictEqual } from "node:util";
import { createKernel, type Kernel, type KernelOptions } from "../../core/kernel.ts";

const bytes = readFileSync(new URL("../../core-as/kernel.wasm", import.meta.url));
export const kernelModule: WebAssembly.Module = new WebAssembly.Module(bytes);
export const SEED: Uint8Array = Uint8Array.from({ length: 16 }, (_, i) => 0xa0 + i);
export const SECRET: Uint8Array = Uint8Array.from({ length: 16 }, (_, i) => i * 7);

export function testKernel(options: KernelOptions = {}): Kernel {
  return createKernel(kernelModule, SEED, options);
}

/** Deep equality where an expectation needs its context told: a seed, the document. */
export function same(actual: unknown, expected: unknown, context: string): void {
  if (isDeepStrictEqual(actual, expected)) return;
  throw new Error(`${context}: got ${inspect(actual)}, expected ${inspect(expected)}`);
}
