/**
 * One capture, for as long as it is declared: sessions one after the other, with growing pauses while the source does
 * not answer. Where going on could leave something out it stops, says why, and waits for a person.
 */
import { isAssertion } from "../../core/assert.ts";
import { Backoff, spread } from "../../core/backoff.ts";
import type { Capture, CaptureState } from "../../core/capture.ts";
import type { Clock } from "../../core/clock.ts";
import { hasCode } from "../../core/errors.ts";
import type { BindRelation } from "../../core/ports/source.ts";
import { Binder } from "./binding.ts";
import { type CopyOptions, copyTables } from "./copy-tables.ts";
import { begin, blankState, busy, goOn, hasBegun } from "./prepare.ts";
import { type CaptureCounts, CaptureSession, type SessionOptions, type SessionPorts } from "./session.ts";
import { StateKeeper } from "./state-keeper.ts";

const PAUSE_MS_LEAST = 200;
/** How soon a slot that another process has is asked for again, ms. */
const BUSY_MS = 2_000;
/** How soon is seen that a person has done something about one that stopped, ms. */
const LOOK_MS = 500;
/** What is under way at a stop has ended by then, ms: the drain of a session and its goodbye. */
const STOP_MS = 5_000;
const PROBLEM_LENGTH_MAX = 1_000;

export interface CaptureOptions extends SessionOptions, CopyOptions {
  readonly pauseMsMax: number;
}

export type CapturePorts = Omit<SessionPorts, "keeper">;

export interface CaptureStatus {
  readonly state: "starting" | "copying" | "streaming" | "waiting" | "retrying" | "stopped";
  readonly problem: string | undefined;
  readonly counts: Readonly<CaptureCounts>;
  readonly sessions: number;
  readonly queuedBytes: number;
  readonly saved: CaptureState | undefined;
}

export class CaptureLoop {
  readonly #ports: SessionPorts;
  readonly #options: CaptureOptions;
  readonly #capture: Capture;
  readonly #pause: Backoff;
  readonly #counts: CaptureCounts = { changes: 0, bytes: 0, commitUs: null };
  #session: CaptureSession | undefined;
  #state: CaptureStatus["state"] = "starting";
  #problem: string | undefined;
  #sessions = 0;

  constructor(ports: CapturePorts, options: CaptureOptions, capture: Capture) {
    this.#ports = { ...ports, keeper: new StateKeeper(ports, capture) };
    this.#options = options;
    this.#capture = capture;
    this.#pause = new Backoff(PAUSE_MS_LEAST, options.pauseMsMax, ports.randomness);
  }

  status(): CaptureStatus {
    const status = this.#session?.status();
    return {
      state: this.#state,
      problem: this.#problem,
      counts: this.#counts,
      sessions: this.#sessions,
      queuedBytes: status ? status.queuedBytes + status.inFlightBytes : 0,
      saved: this.#ports.keeper.state,
    };
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let waitMs = 0;
      const over = new AbortController();
      try {
        await Promise.race([this.#once(signal), lateStop(this.#ports.clock, signal, over.signal)]);
      } catch (error) {
        if (signal.aborted) return;
        if (isAssertion(error)) throw error;
        waitMs = await this.#pauseAfter(error);
      } finally {
        over.abort();
      }
      await this.#ports.clock.sleep(waitMs, signal);
    }
  }

  async #once(signal: AbortSignal): Promise<void> {
    const { keeper, clock } = this.#ports;
    const saved = await keeper.load();
    if (saved?.captureId === this.#capture.id && saved.phase === "stopped") {
      this.#enter("stopped", saved.problem ?? undefined);
      await clock.sleep(LOOK_MS, signal);
      return;
    }
    const state = hasBegun(this.#capture, saved)
      ? await goOn(this.#ports, this.#capture, saved)
      : await this.#begin(signal);
    const session = new CaptureSession(this.#ports, this.#options, this.#capture, state, this.#counts);
    this.#session = session;
    try {
      await session.run(state, () => this.#opened(), signal);
    } finally {
      this.#session = undefined;
    }
  }

  /** One process at a time: the others find what it has begun. */
  async #begin(signal: AbortSignal): Promise<CaptureState> {
    const { database, keeper } = this.#ports;
    const release = await database.claim(`muara capture ${this.#capture.id}`);
    if (!release) throw busy(this.#capture);
    try {
      const again = await keeper.load();
      if (hasBegun(this.#capture, again)) return await goOn(this.#ports, this.#capture, again);
      const begun = await begin(this.#ports, this.#capture);
      this.#enter("copying");
      try {
        const tables = new Map(Object.entries(begun.state.tables));
        const binder = new Binder(this.#ports, this.#capture, database, tables);
        const bind: BindRelation = (relation) => binder.bind(relation);
        return await copyTables(this.#ports, this.#options, this.#capture, begun, bind, signal);
      } finally {
        await begun.slot.release();
      }
    } finally {
      await release();
    }
  }

  #opened(): void {
    this.#sessions++;
    this.#pause.reset();
    if (this.#state !== "streaming")
      this.#ports.logger.info("a capture streams", {
        capture: this.#capture.name,
        place: this.#ports.database.place,
      });
    this.#enter("streaming");
  }

  #enter(state: CaptureStatus["state"], problem?: string): void {
    this.#state = state;
    this.#problem = problem;
  }

  /** @returns ms */
  async #pauseAfter(error: unknown): Promise<number> {
    const { logger } = this.#ports;
    const { name: capture } = this.#capture;
    const problem = (error instanceof Error ? error.message : String(error)).slice(0, PROBLEM_LENGTH_MAX);
    if (hasCode(error, "source.busy")) {
      if (this.#state !== "waiting") logger.info("another process has the capture", { capture, problem });
      this.#enter("waiting", problem);
      return spread(BUSY_MS, this.#ports.randomness);
    }
    // A copy that lost its snapshot begins anew by itself.
    const isLost = hasCode(error, "source.lost") && hasBegun(this.#capture, this.#ports.keeper.state);
    if (hasCode(error, "capture.stopped") || isLost)
      return this.#stop(isLost ? `${problem}. Copy anew with \`muara capture recopy ${capture}\`.` : problem);
    if (this.#state !== "retrying" || this.#problem !== problem)
      logger.warn("a capture has no stream for now", { capture, problem });
    const isNew = this.#problem !== problem;
    this.#enter("retrying", problem);
    if (isNew && this.#mayTell()) await this.#saveProblem(undefined, problem);
    return this.#pause.next();
  }

  /** @returns ms until it is looked whether somebody has done something */
  async #stop(problem: string): Promise<number> {
    this.#ports.logger.error("a capture has stopped", { capture: this.#capture.name, problem });
    this.#enter("stopped", problem);
    await this.#saveProblem("stopped", problem);
    return LOOK_MS;
  }

  /** Not in the place of another process that has the capture and is well. */
  #mayTell(): boolean {
    const { keeper, clock } = this.#ports;
    return keeper.isOwn || !keeper.state || clock.nowMs() - keeper.state.atMs > this.#options.silentMs;
  }

  /** For others to see; where it cannot be written they see that nothing is. */
  async #saveProblem(phase: "stopped" | undefined, problem: string): Promise<void> {
    const { keeper } = this.#ports;
    const state = keeper.state ?? blankState(this.#capture);
    // What an earlier declaration has left at its source is known by its state.
    if (state.captureId !== this.#capture.id) return;
    try {
      await keeper.save({ ...state, phase: phase ?? state.phase, problem });
    } catch (error) {
      this.#ports.logger.warn("the problem of a capture is not written down", {
        capture: this.#capture.name,
        error,
      });
    }
  }
}

/** Some time after a stop: what is left by then is a source that does not answer, and of which nothing is under way. */
function lateStop(clock: Clock, signal: AbortSignal, over: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const stop = (): void => void clock.sleep(STOP_MS, over).then(resolve);
    if (signal.aborted) return stop();
    signal.addEventListener("abort", stop, { once: true, signal: over });
  });
}
