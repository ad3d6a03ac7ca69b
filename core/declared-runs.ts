/**
 * Runs what is declared in the registry under a kind, for as long as it is declared and not paused: each by itself, so
 * that none disturbs another. One that is declared again under its name begins once the former has ended.
 */
import { isAssertion } from "./assert.ts";
import { Backoff } from "./backoff.ts";
import type { Clock, Randomness } from "./clock.ts";
import type { Logger } from "./logger.ts";
import type { DeclarationKind, Registry } from "./registry.ts";

const LOOK_MS = 500;
/** Between two beginnings of one that has failed, ms. */
const AGAIN_MS_LEAST = 500;
const AGAIN_MS_MAX = 30_000;

export interface DeclaredRun {
  readonly name: string;
  /** Of the declaration: another one is another run. */
  readonly id: string;
  readonly isPaused: boolean;
}

export interface DeclaredRunsPorts {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly logger: Logger;
}

export interface DeclaredRunsOptions<Declared extends DeclaredRun, Loop> {
  /** In the registry, and in messages. */
  readonly kind: DeclarationKind;
  /** With another one what runs ends, and begins again; default: the declaration's id. */
  readonly identityOf?: (declared: Declared) => string;
  /** Until the signal is aborted, or nothing is left to do. Begun again where it throws. */
  readonly run: (declared: Declared, begun: (loop: Loop) => void, signal: AbortSignal) => Promise<void>;
}

interface Running<Declared, Loop> {
  readonly declared: Declared;
  readonly abort: AbortController;
  done: Promise<void>;
  loop: Loop | undefined;
}

export class DeclaredRuns<Declared extends DeclaredRun, Loop> {
  readonly #ports: DeclaredRunsPorts;
  readonly #options: DeclaredRunsOptions<Declared, Loop>;
  readonly #running = new Map<string, Running<Declared, Loop>>();
  /** By name: the end of the one before. */
  readonly #ended = new Map<string, Promise<void>>();
  #failure: { readonly error: unknown } | undefined;

  constructor(ports: DeclaredRunsPorts, options: DeclaredRunsOptions<Declared, Loop>) {
    this.#ports = ports;
    this.#options = options;
  }

  /** Until the signal is aborted and all have ended. @throws a bug of any of them */
  async run(signal: AbortSignal): Promise<void> {
    const { registry, clock } = this.#ports;
    let seen = -1;
    while (!signal.aborted) {
      if (this.#failure) throw this.#failure.error;
      const { changeCount } = registry;
      if (changeCount !== seen) this.#adopt();
      seen = changeCount;
      await clock.sleep(LOOK_MS, signal);
    }
    const all = [...this.#running.values()];
    for (const one of all) one.abort.abort();
    await Promise.all([...all.map(({ done }) => done), ...this.#ended.values()]);
  }

  /** Those that have begun, by name. */
  loops(): ReadonlyMap<string, Loop> {
    return new Map(
      [...this.#running].flatMap(([name, { loop }]) => (loop === undefined ? [] : [[name, loop] as const])),
    );
  }

  #adopt(): void {
    const declared = new Map<string, Declared>();
    for (const { value } of this.#ports.registry.list<Declared>(this.#options.kind))
      if (value && !value.isPaused) declared.set(value.name, value);
    const { identityOf = ({ id }) => id } = this.#options;
    for (const [name, running] of this.#running) {
      const now = declared.get(name);
      if (!now || identityOf(now) !== identityOf(running.declared)) {
        running.abort.abort();
        this.#ended.set(name, running.done);
        this.#running.delete(name);
      }
    }
    for (const one of declared.values()) if (!this.#running.has(one.name)) this.#start(one);
  }

  #start(declared: Declared): void {
    const running: Running<Declared, Loop> = {
      declared,
      abort: new AbortController(),
      done: Promise.resolve(),
      loop: undefined,
    };
    this.#running.set(declared.name, running);
    running.done = this.#keepRunning(running).catch((error: unknown) => {
      this.#failure = { error };
    });
  }

  /** @throws assertions alone */
  async #keepRunning(running: Running<Declared, Loop>): Promise<void> {
    const { clock, randomness, logger } = this.#ports;
    const { kind, run } = this.#options;
    const { declared, abort } = running;
    const { name } = declared;
    await this.#ended.get(name);
    const pause = new Backoff(AGAIN_MS_LEAST, AGAIN_MS_MAX, randomness);
    while (!abort.signal.aborted) {
      try {
        return await run(declared, (loop) => (running.loop = loop), abort.signal);
      } catch (error) {
        logger.error(`a ${kind} has ended`, { [kind]: name, error });
        if (isAssertion(error)) throw error;
      }
      running.loop = undefined;
      await clock.sleep(pause.next(), abort.signal);
    }
  }
}
