/** The worker of captures, as the configuration has it. */
import type { Config } from "../../core/config.ts";
import { createOutbox, type OutboxPorts } from "./outbox.ts";
import { type CaptureWorker, type CaptureWorkerPorts, createCaptureWorker } from "./worker.ts";

export function openCaptures(
  ports: Omit<CaptureWorkerPorts, "outbox"> & OutboxPorts,
  { capture, limits }: Pick<Config, "capture" | "limits">,
): CaptureWorker {
  return createCaptureWorker({ ...ports, outbox: createOutbox(ports, limits) }, capture);
}
