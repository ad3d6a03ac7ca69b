/** What is said of a table that is not there, or that the asker may not read: the same answer for both. */
import { MuaraError } from "../../core/errors.ts";
import { nearestName } from "./functions.ts";

/**
 * @param readable names that the asker may know of: no others are proposed
 * @param details beside the name
 */
export function missingTable(
  name: string,
  readable: readonly string[],
  details: Readonly<Record<string, unknown>> = {},
): MuaraError {
  const near = nearestName(
    name.toLowerCase(),
    readable.map((one) => one.toLowerCase()),
  );
  const similar = readable.find((one) => one.toLowerCase() === near);
  return new MuaraError(
    "table.not_found",
    `There is no table "${name}"${similar === undefined ? "." : `. Did you mean "${similar}"?`}`,
    { details: { table: name, ...details } },
  );
}
