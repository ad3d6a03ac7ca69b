/** The worker of captures, as the configuration has it. */
import type { Config } from "../../core/config.ts";
import { type CaptureWorker, type CaptureWorkerPorts, createCaptureWorker } from "./worker.ts";

export function openCaptures(
  ports: Omit<CaptureWorkerPorts, "publish">,
  { capture }: Pick<Config, "capture">,
): CaptureWorker {
  return createCaptureWorker({ ...ports, publish: async () => undefined }, capture);
}
