/**
 * How far a capture is, in the registry. What is written here comes before what is told to the source: so a source that
 * is further than its state was read by somebody else.
 */
import type { Capture, CaptureState } from "../../core/capture.ts";
import type { Clock } from "../../core/clock.ts";
import type { Registry } from "../../core/registry.ts";

const KIND = "capture-state";

export class StateKeeper {
  readonly #registry: Registry;
  readonly #clock: Clock;
  readonly #name: string;
  #state: CaptureState | undefined;
  #revision = 0;
  /** Of the last own save. */
  #ownRevision = -1;
  #saving: Promise<unknown> = Promise.resolve();

  constructor({ registry, clock }: { registry: Registry; clock: Clock }, { name }: Pick<Capture, "name">) {
    this.#registry = registry;
    this.#clock = clock;
    this.#name = name;
  }

  /** As last read or saved. */
  get state(): CaptureState | undefined {
    return this.#state;
  }

  /** Whether nobody else has written it since we did. */
  get isOwn(): boolean {
    return this.#revision === this.#ownRevision;
  }

  async load(): Promise<CaptureState | undefined> {
    await this.#registry.refresh();
    const stored = this.#registry.get<CaptureState>(KIND, this.#name);
    this.#revision = stored?.revision ?? 0;
    this.#state = stored?.value ?? undefined;
    return this.#state;
  }

  /** @throws declaration.conflict where somebody else has written it */
  save(state: Omit<CaptureState, "atMs">): Promise<CaptureState> {
    return this.#enqueue(() => state);
  }

  /** One change after the other. @throws as `save` */
  update(change: (state: CaptureState) => Omit<CaptureState, "atMs">): Promise<CaptureState> {
    return this.#enqueue(() => change(this.#state!));
  }

  #enqueue(state: () => Omit<CaptureState, "atMs">): Promise<CaptureState> {
    const saved = this.#saving.catch(() => undefined).then(() => this.#save(state()));
    this.#saving = saved;
    saved.catch(() => undefined);
    return saved;
  }

  async #save(state: Omit<CaptureState, "atMs">): Promise<CaptureState> {
    const next = { ...state, atMs: this.#clock.nowMs() };
    const stored = await this.#registry.put<CaptureState>(KIND, this.#name, this.#revision, next);
    this.#revision = stored.revision;
    this.#ownRevision = stored.revision;
    this.#state = next;
    return next;
  }
}
