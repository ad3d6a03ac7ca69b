/**
 * Looks after captures from outside: whether somebody runs what is declared, and what the slots make their sources
 * keep. Any process can tell, also of a capture that nobody runs: then more than ever, since a slot that nobody reads
 * fills its source's disk.
 */
import type { Capture, CaptureState } from "./capture.ts";
import type { Clock } from "./clock.ts";
import type { Logger } from "./logger.ts";
import type { Sample } from "./open-metrics.ts";
import type { OpenSource, SourceSlot } from "./ports/source-database.ts";
import type { Registry } from "./registry.ts";

const EVERY_MS_MAX = 10_000;
/** The limit of a source rarely changes, ms. */
const LIMIT_MS = 600_000;

export const ALERTS = ["stopped", "silent", "lag", "half", "lost", "unreachable"] as const;
export type AlertReason = (typeof ALERTS)[number];

export interface CaptureAlert {
  readonly reason: AlertReason;
  readonly problem: string;
}

export interface CaptureView {
  readonly alerts: readonly CaptureAlert[];
  readonly slot: SourceSlot | undefined;
  readonly retainedBytes: number | null;
  readonly confirmedLagBytes: number | null;
  /** Until the slot is in danger at the rate of the last look; null: no limit, or nothing is written. */
  readonly safeSeconds: number | null;
}

export interface WatchOptions {
  readonly lagBytes: number;
  readonly silentMs: number;
}

export interface WatchPorts {
  readonly registry: Registry;
  readonly openSource: OpenSource;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Look {
  readonly view: CaptureView;
  readonly atMs: number;
}

export class CaptureWatch {
  readonly #ports: WatchPorts;
  readonly #options: WatchOptions;
  readonly #looks = new Map<string, Look>();
  /** By database: max_slot_wal_keep_size. */
  readonly #limits = new Map<string, { readonly bytes: number | null; readonly atMs: number }>();

  constructor(ports: WatchPorts, options: WatchOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#ports;
    const stopped = new Promise<void>((resolve) =>
      signal.addEventListener("abort", () => resolve(), { once: true }),
    );
    while (!signal.aborted) {
      // A source that does not answer is not waited for at a stop.
      await Promise.race([this.look(), stopped]);
      await clock.sleep(Math.min(EVERY_MS_MAX, this.#options.silentMs / 4), signal);
    }
  }

  /** As last seen; undefined: not yet. */
  view(name: string): CaptureView | undefined {
    return this.#looks.get(name)?.view;
  }

  /** Whether any capture needs a person. */
  get isAlerting(): boolean {
    return [...this.#looks.values()].some(({ view }) => view.alerts.length > 0);
  }

  samples(): readonly Sample[] {
    return [...this.#looks].flatMap(([capture, { view }]): readonly Sample[] => {
      const labels = { capture };
      const { slot, retainedBytes, confirmedLagBytes, safeSeconds, alerts } = view;
      const figures = [
        ["muara_capture_retained_bytes", retainedBytes],
        ["muara_capture_confirmed_lag_bytes", confirmedLagBytes],
        ["muara_capture_safe_bytes", slot?.safeWalBytes ?? null],
        ["muara_capture_safe_seconds", safeSeconds],
      ] as const;
      return [
        ...figures.flatMap(([name, value]) => (value === null ? [] : [{ name, labels, value }])),
        ...(slot?.walStatus
          ? [
              {
                name: "muara_capture_wal_status" as const,
                labels: { ...labels, status: slot.walStatus },
                value: 1,
              },
            ]
          : []),
        ...alerts.map(({ reason }) => ({
          name: "muara_capture_alert" as const,
          labels: { ...labels, reason },
          value: 1,
        })),
      ];
    });
  }

  /** At all captures, side by side. */
  async look(): Promise<void> {
    const declared = this.#ports.registry.list<Capture>("capture").map(({ value }) => value!);
    for (const name of this.#looks.keys())
      if (!declared.some((capture) => capture.name === name)) this.#looks.delete(name);
    await Promise.all(declared.map((capture) => this.#lookAt(capture)));
  }

  async #lookAt(capture: Capture): Promise<void> {
    const { registry, clock } = this.#ports;
    const stored = registry.get<CaptureState>("capture-state", capture.name)?.value ?? undefined;
    const state = stored?.captureId === capture.id ? stored : undefined;
    const before = this.#looks.get(capture.name);
    const { slot, limitBytes, problem } = await this.#atSource(capture, state);
    const nowMs = clock.nowMs();
    const retainedBytes = distance(slot?.serverLsn, slot?.restartLsn);
    const elapsedMs = before ? nowMs - before.atMs : 0;
    const written = distance(slot?.serverLsn, before?.view.slot?.serverLsn);
    const rate = elapsedMs > 0 && written !== null ? written / (elapsedMs / 1_000) : 0;
    const safeBytes = slot?.safeWalBytes ?? null;
    const alerts = alertsOf(
      { capture, state, slot, limitBytes, retainedBytes, problem, nowMs },
      this.#options,
    );
    this.#tell(capture.name, before?.view.alerts ?? [], alerts);
    const view: CaptureView = {
      alerts,
      slot,
      retainedBytes,
      confirmedLagBytes: distance(slot?.serverLsn, slot?.confirmedLsn),
      safeSeconds: safeBytes !== null && rate > 0 ? Math.max(0, safeBytes) / rate : null,
    };
    this.#looks.set(capture.name, { view, atMs: nowMs });
  }

  async #atSource(
    { database }: Capture,
    state: CaptureState | undefined,
  ): Promise<{ slot: SourceSlot | undefined; limitBytes: number | null; problem: string | undefined }> {
    if (!state?.slot) return { slot: undefined, limitBytes: null, problem: undefined };
    try {
      const source = await this.#ports.openSource(database);
      const slot = await source.slot(state.slot);
      const nowMs = this.#ports.clock.nowMs();
      const known = this.#limits.get(database);
      const limit =
        known && nowMs - known.atMs < LIMIT_MS
          ? known
          : { bytes: (await source.server()).maxSlotWalKeepBytes, atMs: nowMs };
      this.#limits.set(database, limit);
      return { slot, limitBytes: limit.bytes, problem: undefined };
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      return { slot: undefined, limitBytes: null, problem };
    }
  }

  #tell(capture: string, before: readonly CaptureAlert[], now: readonly CaptureAlert[]): void {
    const { logger } = this.#ports;
    for (const { reason, problem } of now)
      if (!before.some((one) => one.reason === reason))
        logger.error("a capture needs a person", { capture, reason, problem });
    for (const { reason } of before)
      if (!now.some((one) => one.reason === reason))
        logger.info("an alert of a capture is over", { capture, reason });
  }
}

interface Seen {
  readonly capture: Capture;
  readonly state: CaptureState | undefined;
  readonly slot: SourceSlot | undefined;
  readonly limitBytes: number | null;
  readonly retainedBytes: number | null;
  /** Why the source could not be asked. */
  readonly problem: string | undefined;
  readonly nowMs: number;
}

export function alertsOf(seen: Seen, { lagBytes, silentMs }: WatchOptions): readonly CaptureAlert[] {
  const { capture, state, slot, limitBytes, retainedBytes, problem, nowMs } = seen;
  const alerts: CaptureAlert[] = [];
  const say = (reason: AlertReason, text: string): void => void alerts.push({ reason, problem: text });
  const silenceMs = nowMs - (state?.atMs ?? capture.createdMs);
  if (state?.phase === "stopped") say("stopped", state.problem ?? "it has stopped");
  else if (!capture.isPaused && silenceMs > silentMs)
    say(
      "silent",
      `nobody has captured for ${Math.round(silenceMs / 1_000)} s${state?.problem ? `: ${state.problem}` : ""}`,
    );
  if (problem !== undefined) say("unreachable", problem);
  if (slot?.walStatus === "lost" || (slot && slot.restartLsn === null))
    say("lost", `the source has removed log that the slot ${slot.name} needed`);
  if (retainedBytes !== null && retainedBytes > lagBytes)
    say("lag", `the source keeps ${retainedBytes} bytes of log for the slot ${slot!.name}`);
  if (retainedBytes !== null && limitBytes !== null && retainedBytes > limitBytes / 2)
    say(
      "half",
      `of the ${limitBytes} bytes of log that the source may keep for a slot, ${retainedBytes} are taken`,
    );
  return alerts;
}

/** Bytes between two places of the log. */
function distance(to: bigint | null | undefined, from: bigint | null | undefined): number | null {
  if (to === null || to === undefined || from === null || from === undefined) return null;
  return to > from ? Number(to - from) : 0;
}
