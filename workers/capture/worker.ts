/**
 * Runs the captures that are declared, for as long as they are declared and not paused: each by itself, so that a dead
 * source disturbs no other. What a removed capture has left at its source is taken away.
 */
import { isAssertion } from "../../core/assert.ts";
import type { Capture, CaptureState } from "../../core/capture.ts";
import { hasCode } from "../../core/errors.ts";
import type { Sample } from "../../core/open-metrics.ts";
import type { OpenSource } from "../../core/ports/source-database.ts";
import { CaptureLoop, type CaptureOptions, type CapturePorts, type CaptureStatus } from "./capture-loop.ts";
import { takeAway } from "../../core/capture-source.ts";

const LOOK_MS = 500;
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

interface Running {
  readonly capture: Capture;
  readonly abort: AbortController;
  done: Promise<void>;
  loop: CaptureLoop | undefined;
}

export function createCaptureWorker(ports: CaptureWorkerPorts, options: CaptureOptions): CaptureWorker {
  return new Captures(ports, options);
}

class Captures implements CaptureWorker {
  readonly #ports: CaptureWorkerPorts;
  readonly #options: CaptureOptions;
  readonly #running = new Map<string, Running>();
  /** By name: the end of the one before. */
  readonly #ended = new Map<string, Promise<void>>();
  #failure: { readonly error: unknown } | undefined;

  constructor(ports: CaptureWorkerPorts, options: CaptureOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, registry } = this.#ports;
    let seen = -1;
    let sweptMs = -Infinity;
    while (!signal.aborted) {
      if (this.#failure) throw this.#failure.error;
      const { changeCount } = registry;
      if (changeCount !== seen) this.#adopt();
      seen = changeCount;
      if (this.#hasOrphans() && clock.monotonicMs() - sweptMs >= ORPHANS_MS) {
        await this.#sweepOrphans();
        sweptMs = clock.monotonicMs();
      }
      await clock.sleep(LOOK_MS, signal);
    }
    const all = [...this.#running.values()];
    for (const one of all) one.abort.abort();
    await Promise.all([...all.map(({ done }) => done), ...this.#ended.values()]);
  }

  status(): ReadonlyMap<string, CaptureStatus> {
    return new Map(
      [...this.#running].flatMap(([name, { loop }]) => (loop ? [[name, loop.status()] as const] : [])),
    );
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

  #adopt(): void {
    const declared = new Map<string, Capture>();
    for (const { value } of this.#ports.registry.list<Capture>("capture"))
      if (value && !value.isPaused) declared.set(value.name, value);
    for (const [name, { capture, abort, done }] of this.#running)
      if (stemOf(declared.get(name)) !== stemOf(capture)) {
        abort.abort();
        this.#ended.set(name, done);
        this.#running.delete(name);
      }
    for (const capture of declared.values()) if (!this.#running.has(capture.name)) this.#start(capture);
  }

  #start(capture: Capture): void {
    const running: Running = {
      capture,
      abort: new AbortController(),
      done: Promise.resolve(),
      loop: undefined,
    };
    this.#running.set(capture.name, running);
    running.done = this.#capture(running).catch((error: unknown) => {
      if (isAssertion(error)) this.#failure = { error };
      this.#ports.logger.error("a capture has ended", { capture: capture.name, error });
    });
  }

  async #capture(running: Running): Promise<void> {
    const { capture, abort } = running;
    await this.#ended.get(capture.name);
    const database = await this.#ports.openSource(capture.database);
    running.loop = new CaptureLoop({ ...this.#ports, database }, this.#options, capture);
    await running.loop.run(abort.signal);
  }

  #hasOrphans(): boolean {
    const { registry } = this.#ports;
    return registry.list("capture-state").some(({ name }) => !registry.get("capture", name));
  }

  /** States without a capture: its slot would keep the source's log for ever. */
  async #sweepOrphans(): Promise<void> {
    const { registry, logger } = this.#ports;
    for (const { name, value, revision } of registry.list<CaptureState>("capture-state")) {
      const database = value?.database;
      if (!value || database === undefined || registry.get("capture", name)) continue;
      try {
        if (value.isKept !== true) await takeAway(await this.#ports.openSource(database), value);
        await registry.put("capture-state", name, revision, null);
        logger.info("took away what a removed capture had left", { capture: name, slot: value.slot });
      } catch (error) {
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

/** Of what a session is about: with another one it ends, and the next begins. */
function stemOf(capture: Capture | undefined): string | undefined {
  return capture && JSON.stringify([capture.id, capture.again ?? {}]);
}

function copySamples(labels: { capture: string }, saved: CaptureState | undefined): readonly Sample[] {
  return Object.entries(saved?.tables ?? {}).map(([table, { copiedRows }]) => ({
    name: "muara_capture_copied_rows",
    labels: { ...labels, table },
    value: copiedRows,
  }));
}
