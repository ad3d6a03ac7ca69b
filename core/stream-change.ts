/** Which options of a log's stream may become which: the same for every log. */
import { MuaraError } from "./errors.ts";
import type { StreamInfo, StreamOptions } from "./ports/log.ts";

/** Whether the stream is as wanted already. */
export function hasOptions(info: StreamInfo, wanted: StreamOptions): boolean {
  const { partitions, cleanup, retentionMs } = wanted;
  return info.partitions === partitions && info.cleanup === cleanup && info.retentionMs === retentionMs;
}

/** @throws declaration.conflict */
export function checkStreamChange(info: StreamInfo, wanted: StreamOptions): void {
  const { name, cleanup, partitions } = info;
  const refuse = (what: string): never => {
    throw new MuaraError("declaration.conflict", `stream ${name} ${what}`, { details: { stream: name } });
  };
  if (wanted.partitions < partitions) refuse(`has ${partitions} partitions and cannot have fewer`);
  const isKept = wanted.cleanup === cleanup;
  if (!isKept && (cleanup === "compact" || wanted.cleanup === "compact"))
    refuse(`is cleaned up by ${cleanup}, which cannot become ${wanted.cleanup}`);
}

/** @throws declaration.conflict */
export function otherOptions(stream: string): never {
  throw new MuaraError("declaration.conflict", `stream ${stream} exists with other options`, {
    details: { stream },
  });
}
