/**
 * The operators in C (bench/native), built on the spot: for this machine by gcc, and to wasm32 with SIMD by clang and
 * wasm-ld. Where one of the compilers is not there, its comparison is left out and the bench says so.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { KERNEL_VERSION } from "../../core/kernel-abi.ts";
import type { Run } from "./report.ts";
import { writeWorkload, type Workload } from "./workload.ts";

const SOURCES = fileURLToPath(new URL("../native/", import.meta.url));
const FLAGS = ["-std=gnu17", "-O3", "-flto", `-DKERNEL_VERSION=${KERNEL_VERSION}`];
const NATIVE_FLAGS = ["-march=native"];
const WASM_FLAGS = [
  "--target=wasm32",
  "-msimd128",
  "-mbulk-memory",
  "-mnontrapping-fptoint",
  "-nostdlib",
  "-fvisibility=hidden",
  "-Wl,--no-entry",
  "-Wl,--export-dynamic",
];

function has(program: string): boolean {
  return spawnSync(program, ["--version"], { stdio: "ignore" }).status === 0;
}

function sources(hasMain: boolean): readonly string[] {
  return readdirSync(SOURCES)
    .filter((name) => name.endsWith(".c") && (hasMain || name !== "main.c"))
    .map((name) => join(SOURCES, name));
}

export interface NativeBuild {
  /** Undefined without the compiler. */
  readonly wasm: WebAssembly.Module | undefined;
  /** Runs the native program, in a process of its own. Undefined without the compiler. */
  readonly run: (() => Run) | undefined;
  /** Removes what was built. */
  close(): void;
}

export function buildNative(workload: Workload): NativeBuild {
  const folder = mkdtempSync(join(tmpdir(), "muara-kernel-"));
  const program = join(folder, "kernel");
  const module = join(folder, "kernel.wasm");
  const input = join(folder, "workload");
  const hasClang = has("clang") && has("wasm-ld");
  const hasGcc = has("gcc");
  if (hasClang) execFileSync("clang", [...FLAGS, ...WASM_FLAGS, ...sources(false), "-o", module]);
  if (hasGcc) {
    execFileSync("gcc", [...FLAGS, ...NATIVE_FLAGS, ...sources(true), "-o", program]);
    writeWorkload(workload, input);
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- main.c prints it
  const run = (): Run => JSON.parse(execFileSync(program, [input], { encoding: "utf8" })) as Run;
  return {
    wasm: hasClang ? new WebAssembly.Module(readFileSync(module)) : undefined,
    run: hasGcc ? run : undefined,
    close: () => {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
