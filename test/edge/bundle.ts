/** An entry for edge runtimes as one module, as a deployment bundles it: no file of it may need more than web APIs. */
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

export const KERNEL_NAME = "kernel.wasm";

export interface Bundle {
  readonly code: string;
  /** Every file in it. */
  readonly modules: readonly string[];
  /** What it imports and does not hold. */
  readonly imports: readonly string[];
}

/** The door. */
export function bundleEdge(): Promise<Bundle> {
  return bundleOf(new URL("../../workers/ingest/edge.ts", import.meta.url));
}

export async function bundleOf(entry: URL): Promise<Bundle> {
  const build = await rolldown({
    input: fileURLToPath(entry),
    platform: "browser",
    resolve: { conditionNames: ["workerd", "worker", "browser", "import", "default"] },
    external: (id) => id.endsWith(".wasm") || id.startsWith("node:"),
    onLog: () => undefined,
  });
  const { output } = await build.generate({ format: "esm", minify: true, codeSplitting: false });
  await build.close();
  const [chunk] = output;
  return {
    code: chunk.code.replaceAll(/(["'`])[^"'`]*\/kernel\.wasm\1/g, `"./${KERNEL_NAME}"`),
    modules: chunk.moduleIds,
    imports: [...chunk.imports, ...chunk.dynamicImports],
  };
}
