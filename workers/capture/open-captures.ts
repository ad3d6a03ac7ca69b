/** The worker of captures, as the configuration has it. */
import type { Config } from "../../core/config.ts";
import { createOutbox, type OutboxPorts } from "./outbox.ts";
import { type CaptureWorker, type CaptureWorkerPorts, createCaptureWorker } from "./worker.ts";

export function openCaptures(
  ports: Omit<CaptureWorkerPorts, "publish"> & OutboxPorts,
  { capture, limits }: Pick<Config, "capture" | "limits">,
): CaptureWorker {
  const outbox = createOutbox(ports, limits);
  return createCaptureWorker({ ...ports, publish: (...args) => outbox.publish(...args) }, capture);
}
