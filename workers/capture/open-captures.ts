/** The worker of captures, over the databases of the configuration. */
import type { Config } from "../../core/config.ts";
import type { OpenSource } from "../../core/ports/source-database.ts";
import { createOutbox, type OutboxPorts } from "./outbox.ts";
import { type CaptureWorker, type CaptureWorkerPorts, createCaptureWorker } from "./worker.ts";

export function openCaptures(
  ports: Omit<CaptureWorkerPorts, "openSource" | "outbox"> & OutboxPorts,
  openSource: OpenSource,
  { capture, limits }: Pick<Config, "capture" | "limits">,
): CaptureWorker {
  return createCaptureWorker({ ...ports, openSource, outbox: createOutbox(ports, limits) }, capture);
}
