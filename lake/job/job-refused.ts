/** A refused text as an error. */
import { MuaraError } from "../../core/errors.ts";
import type { JobRefusal } from "./plan.ts";

export function jobRefused({ line, column, reason, instead }: JobRefusal): MuaraError {
  const said = `Line ${line}, column ${column}: ${reason}${instead === null ? "" : ` Instead: ${instead}`}`;
  return new MuaraError("job.refused", said, { details: { line, column, instead } });
}
