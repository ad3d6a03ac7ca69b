/** The declared pulls of this process, with a door of their own to judge what they bring. */
import type { Config } from "../../core/config.ts";
import { pullsOf } from "../../core/pull.ts";
import { Door, type IngestPorts } from "../ingest/app.ts";
import type { RemotePorts } from "./remote.ts";
import { createPullWorker, type PullWorker } from "./worker.ts";

export function openPulls(ports: IngestPorts & RemotePorts, { limits, pulls }: Config): PullWorker {
  const door = new Door(ports, { limits });
  return createPullWorker({ ...ports, take: (batch, signal) => door.pull(batch, signal) }, pullsOf(pulls));
}
