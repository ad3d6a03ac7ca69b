/** The declared pulls of this process, with a door of their own to judge what they bring. */
import type { Config } from "../../core/config.ts";
import type { Sample } from "../../core/open-metrics.ts";
import { pullsOf } from "../../core/pull.ts";
import { Door, type IngestPorts } from "../ingest/app.ts";
import type { RemotePorts } from "./remote.ts";
import { createPullWorker, type PullWorker } from "./worker.ts";

export function openPulls(ports: IngestPorts & RemotePorts, { limits, pulls }: Config): PullWorker {
  const door = new Door(ports, { limits });
  return createPullWorker({ ...ports, take: (batch, signal) => door.pull(batch, signal) }, pullsOf(pulls));
}

export function pullSamples(worker: PullWorker): readonly Sample[] {
  return worker.status().flatMap(({ pull, state, events, refused, commits, streams }): readonly Sample[] => [
    { name: "muara_pull_events", labels: { pull }, value: events },
    { name: "muara_pull_refused_events", labels: { pull }, value: refused },
    { name: "muara_pull_commits", labels: { pull }, value: commits },
    { name: "muara_pull_streams", labels: { pull }, value: streams },
    { name: "muara_pull_streaming", labels: { pull }, value: state === "streaming" ? 1 : 0 },
  ]);
}
