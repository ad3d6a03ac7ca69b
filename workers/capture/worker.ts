/**
 * Runs the captures that are declared, for as long as they are declared and not paused: each by itself, so that a dead
 * source disturbs no other. What a removed capture has left at its source is taken away.
 */
import type { Capture, CaptureState } from "../../core/capture.ts";
import { DeclaredRuns } from "../../core/declared-runs.ts";
import { hasCode } from "../../core/errors.ts";
import type { Sample } from "../../core/open-metrics.ts";
import type { OpenSource } from "../../core/ports/source-database.ts";
import { CaptureLoop, type CaptureOptions, type CapturePorts, type CaptureStatus } from "./capture-loop.ts";
import { takeAway } from "../../core/capture-source.ts";

/** Between two attempts at what removed captures have left, ms. */
const ORPHANS_MS = 2_000;
const US = 1_000_000;

export interface CaptureWorkerPorts extends Omit<CapturePorts, "database"> {
  readonly openSource: OpenSource;
}

export interface CaptureWorker {
  run(signal: AbortSignal): Promise<void>;
  status(): ReadonlyMap<string, CaptureStatus>;
  samples(): readonly Sample[];
}

export function createCaptureWorker(ports: CaptureWorkerPorts, options: CaptureOptions): CaptureWorker {
  return new Captures(ports, options);
}

class Captures implements CaptureWorker {
  readonly #ports: CaptureWorkerPorts;
  readonly #runs: DeclaredRuns<Capture, CaptureLoop>;

  constructor(ports: CaptureWorkerPorts, options: CaptureOptions) {
    this.#ports = ports;
    this.#runs = new DeclaredRuns(ports, {
      kind: "capture",
      identityOf: ({ id, again = {} }) => JSON.stringify([id, again]),
      run: async (capture, begun, signal) => {
        const database = await ports.openSource(capture.database);
        const loop = new CaptureLoop({ ...ports, database }, options, capture);
        begun(loop);
        await loop.run(signal);
      },
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    // Beside the captures, and waited for by nobody: a source that does not answer holds up neither them nor a stop.
    void this.#sweepOn(signal);
    await this.#runs.run(signal);
  }

  status(): ReadonlyMap<string, CaptureStatus> {
    return new Map([...this.#runs.loops()].map(([name, loop]) => [name, loop.status()]));
  }

  samples(): readonly Sample[] {
    const { clock } = this.#ports;
    return [...this.status()].flatMap(([capture, status]): readonly Sample[] => {
      const labels = { capture };
      const { counts, sessions, queuedBytes, state, saved } = status;
      const lag = counts.commitUs === null ? [] : [clock.nowMs() / 1_000 - Number(counts.commitUs) / US];
      return [
        { name: "muara_capture_changes", labels, value: counts.changes },
        { name: "muara_capture_sessions", labels, value: sessions },
        { name: "muara_capture_streaming", labels, value: state === "streaming" ? 1 : 0 },
        { name: "muara_capture_queue_bytes", labels, value: queuedBytes },
        ...(saved ? [{ name: "muara_capture_durable_lsn" as const, labels, value: Number(saved.lsn) }] : []),
        ...lag.map((value) => ({ name: "muara_capture_last_commit_age_seconds" as const, labels, value })),
        ...copySamples(labels, saved),
      ];
    });
  }

  async #sweepOn(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (this.#hasOrphans()) await this.#sweepOrphans(signal);
      await this.#ports.clock.sleep(ORPHANS_MS, signal);
    }
  }

  #hasOrphans(): boolean {
    const { registry } = this.#ports;
    return registry.list("capture-state").some(({ name }) => !registry.get("capture", name));
  }

  /** States without a capture: its slot would keep the source's log for ever. */
  async #sweepOrphans(signal: AbortSignal): Promise<void> {
    const { registry, logger } = this.#ports;
    for (const { name, value, revision } of registry.list<CaptureState>("capture-state")) {
      const database = value?.database;
      if (!value || database === undefined || registry.get("capture", name)) continue;
      try {
        if (value.isKept !== true) await takeAway(await this.#ports.openSource(database), value);
        if (signal.aborted) return;
        await registry.put("capture-state", name, revision, null);
        logger.info("took away what a removed capture had left", { capture: name, slot: value.slot });
      } catch (error) {
        if (signal.aborted) return;
        if (hasCode(error, "declaration.conflict")) continue;
        logger.warn("what a removed capture has left stays for now", {
          capture: name,
          slot: value.slot,
          error,
        });
      }
    }
  }
}

function copySamples(labels: { capture: string }, saved: CaptureState | undefined): readonly Sample[] {
  return Object.entries(saved?.tables ?? {}).map(([table, { copiedRows }]) => ({
    name: "muara_capture_copied_rows",
    labels: { ...labels, table },
    value: copiedRows,
  }));
}
