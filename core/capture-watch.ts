/**
 * Looks after captures from outside: whether somebody runs what is declared, and what the slots make their sources
 * keep. Any process can tell, also of a capture that nobody runs: then more than ever, since a slot that nobody reads
 * fills its source's disk.
 */
import type { Capture, CaptureState } from "./capture.ts";
import type { Clock } from "./clock.ts";
import type { Logger } from "./logger.ts";
import type { Sample } from "./open-metrics.ts";
import { hasIdentity } from "./capture-source.ts";
import type { OpenSource, SourceDatabase, SourceSlot, SourceTransaction } from "./ports/source-database.ts";
import type { Registry } from "./registry.ts";

const EVERY_MS_MAX = 10_000;
/** The limit of a source rarely changes, ms. */
const LIMIT_MS = 600_000;

export const ALERTS = [
  "stopped",
  "silent",
  "lag",
  "half",
  "lost",
  "unreachable",
  "identity",
  "missed",
  "held",
] as const;
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
  readonly heldMs: number;
}

export interface WatchPorts {
  readonly registry: Registry;
  readonly openSource: OpenSource;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What a source says of a capture. */
interface AtSource {
  readonly slot: SourceSlot | undefined;
  readonly limitBytes: number | null;
  /** Tables whose updates the source refuses, because they are published. */
  readonly hurt: readonly string[];
  /** Open transactions, oldest first, each with its age; [] where nothing waits for them. */
  readonly open: readonly OpenTransaction[];
  /** Why it could not be asked. */
  readonly problem: string | undefined;
}

type OpenTransaction = SourceTransaction & { readonly openMs: number };

const NOTHING: AtSource = { slot: undefined, limitBytes: null, hurt: [], open: [], problem: undefined };

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
  /** By capture and transaction: when it was first seen, for those whose beginning we may not know. */
  readonly #firstSeen = new Map<string, ReadonlyMap<string, number>>();

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
    const found = await this.#atSource(capture, state);
    const { slot } = found;
    const nowMs = clock.nowMs();
    const retainedBytes = distance(slot?.serverLsn, slot?.restartLsn);
    const elapsedMs = before ? nowMs - before.atMs : 0;
    const written = distance(slot?.serverLsn, before?.view.slot?.serverLsn);
    const rate = elapsedMs > 0 && written !== null ? written / (elapsedMs / 1_000) : 0;
    const safeBytes = slot?.safeWalBytes ?? null;
    const alerts = alertsOf({ capture, state, ...found, retainedBytes, nowMs }, this.#options);
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

  async #atSource(capture: Capture, state: CaptureState | undefined): Promise<AtSource> {
    if (!state?.slot) return NOTHING;
    try {
      const source = await this.#ports.openSource(capture.database);
      const slot = await source.slot(state.slot);
      const limitBytes = await this.#limitOf(capture.database, source);
      const hurt = await hurtTables(source, state);
      return {
        slot,
        limitBytes,
        hurt,
        open: await this.#openTransactions(capture, source),
        problem: undefined,
      };
    } catch (error) {
      return { ...NOTHING, problem: error instanceof Error ? error.message : String(error) };
    }
  }

  async #limitOf(database: string, source: SourceDatabase): Promise<number | null> {
    const nowMs = this.#ports.clock.nowMs();
    const known = this.#limits.get(database);
    if (known && nowMs - known.atMs < LIMIT_MS) return known.bytes;
    const { maxSlotWalKeepBytes: bytes } = await source.server();
    this.#limits.set(database, { bytes, atMs: nowMs });
    return bytes;
  }

  async #openTransactions({ name }: Capture, source: SourceDatabase): Promise<readonly OpenTransaction[]> {
    const nowMs = this.#ports.clock.nowMs();
    const before = this.#firstSeen.get(name);
    const open = (await source.transactions()).map((one) => ({
      ...one,
      openMs: one.openMs ?? nowMs - (before?.get(one.id) ?? nowMs),
    }));
    this.#firstSeen.set(name, new Map(open.map(({ id, openMs }) => [id, nowMs - openMs])));
    return open.toSorted((a, b) => b.openMs - a.openMs);
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

interface Seen extends AtSource {
  readonly capture: Capture;
  readonly state: CaptureState | undefined;
  readonly retainedBytes: number | null;
  readonly nowMs: number;
}

type Say = (reason: AlertReason, text: string) => void;

export function alertsOf(seen: Seen, options: WatchOptions): readonly CaptureAlert[] {
  const alerts: CaptureAlert[] = [];
  const say: Say = (reason, text) => void alerts.push({ reason, problem: text });
  runAlerts(seen, options, say);
  slotAlerts(seen, options, say);
  tableAlerts(seen, say);
  heldAlert(seen, options, say);
  return alerts;
}

function runAlerts({ capture, state, problem, nowMs }: Seen, { silentMs }: WatchOptions, say: Say): void {
  const silenceMs = nowMs - (state?.atMs ?? capture.createdMs);
  if (state?.phase === "stopped") say("stopped", state.problem ?? "it has stopped");
  else if (!capture.isPaused && silenceMs > silentMs)
    say(
      "silent",
      `nobody has captured for ${Math.round(silenceMs / 1_000)} s${state?.problem ? `: ${state.problem}` : ""}`,
    );
  if (problem !== undefined) say("unreachable", problem);
}

function slotAlerts({ slot, limitBytes, retainedBytes, open }: Seen, options: WatchOptions, say: Say): void {
  const { lagBytes, heldMs } = options;
  if (slot?.walStatus === "lost" || (slot && slot.restartLsn === null))
    say("lost", `the source has removed log that the slot ${slot.name} needed`);
  const [oldest] = open;
  const because =
    oldest && oldest.openMs > heldMs ? `. The log is kept from where ${toldOf(oldest)} began` : "";
  if (retainedBytes !== null && retainedBytes > lagBytes)
    say("lag", `the source keeps ${retainedBytes} bytes of log for the slot ${slot!.name}${because}`);
  if (retainedBytes !== null && limitBytes !== null && retainedBytes > limitBytes / 2)
    say(
      "half",
      `of the ${limitBytes} bytes of log that the source may keep for a slot, ${retainedBytes} are taken${because}`,
    );
}

function tableAlerts({ capture, state, hurt }: Seen, say: Say): void {
  if (hurt.length > 0)
    say(
      "identity",
      `the source refuses updates and deletes of ${hurt.join(", ")}, published and without primary key or replica ` +
        `identity. ALTER TABLE … ADD PRIMARY KEY (…); or REPLICA IDENTITY FULL; or, at once: ` +
        `ALTER PUBLICATION ${state!.publication} DROP TABLE …;`,
    );
  for (const [table, why] of Object.entries(state?.missed ?? {}))
    say(
      "missed",
      `changes of ${table} may be missing: ${why}. ` +
        `Copy it anew with \`muara capture recopy ${capture.name} --table ${table}\`.`,
    );
}

/** Slots that are being made, and copies, wait for whoever has written and does not end. */
function heldAlert({ capture, state, open }: Seen, { heldMs }: WatchOptions, say: Say): void {
  const isWaiting =
    state?.phase === "preparing" ||
    state?.phase === "copying" ||
    Object.values(state?.tables ?? {}).some(({ copy }) => copy === "waiting" || copy === "copying");
  const [oldest] = open;
  if (capture.isPaused || !isWaiting || !oldest || oldest.openMs <= heldMs) return;
  say("held", `the copy waits for ${toldOf(oldest)}: ${oldest.remedy}`);
}

function toldOf({ what, openMs }: OpenTransaction): string {
  return `${what} (open for ${Math.round(openMs / 1_000)} s)`;
}

/** Those whose updates are published, and by which no row could be found. */
async function hurtTables(
  source: SourceDatabase,
  { publication, tables }: CaptureState,
): Promise<readonly string[]> {
  const published = (await source.published(publication)) ?? [];
  const own = published.filter((name) => Object.hasOwn(tables, name));
  if (own.length === 0) return [];
  const found = await source.tables(own);
  return own.filter((name) => found.has(name) && !hasIdentity(found.get(name)!));
}

/** Bytes between two places of the log. */
function distance(to: bigint | null | undefined, from: bigint | null | undefined): number | null {
  if (to === null || to === undefined || from === null || from === undefined) return null;
  return to > from ? Number(to - from) : 0;
}
