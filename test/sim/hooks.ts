/**
 * Loads the light file format in the place of Parquet, for this process only: nothing in the product knows of it.
 * To be imported before anything that reaches lake/parquet. Table checkpoints stay real Parquet.
 */
import { registerHooks } from "node:module";

const LIGHT = new URL("light-format.ts", import.meta.url).href;
const LIGHT_COMMIT = new URL("light-commit.ts", import.meta.url).href;
const TABLE = new URL("../../lake/table/", import.meta.url).href;
const PARQUET = new URL("../../lake/parquet/", import.meta.url).href;

registerHooks({
  resolve: (specifier, context, next) => {
    const parent = context.parentURL ?? "";
    const isRows = parent === `${PARQUET}rows.ts`;
    const isFile = specifier === "./parquet-file.ts" && (isRows || parent === `${PARQUET}writer.ts`);
    if (isFile || (isRows && specifier === "hyparquet")) return { url: LIGHT, shortCircuit: true };
    const isCommit = specifier.endsWith("/commit-file.ts") && parent.startsWith(TABLE);
    if (isCommit) return { url: LIGHT_COMMIT, shortCircuit: true };
    return next(specifier, context);
  },
});
