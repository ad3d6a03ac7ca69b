/** The worker of captures, over the databases of the configuration. */
import type { Config } from "../../core/config.ts";
import type { OpenSource } from "../../core/ports/source-database.ts";
import { type CaptureWorker, type CaptureWorkerPorts, createCaptureWorker } from "./worker.ts";

export function openCaptures(
  ports: Omit<CaptureWorkerPorts, "openSource" | "publish">,
  openSource: OpenSource,
  { capture }: Pick<Config, "capture">,
): CaptureWorker {
  return createCaptureWorker({ ...ports, openSource, publish: async () => undefined }, capture);
}
