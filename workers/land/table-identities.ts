/**
 * The id set of one table through its life: filled at the start from a state image and the commits since, or from
 * the lake; carried over what others commit; stored as an image now and then. Whoever commits keeps it in step.
 */
import type { EventType } from "../../core/event-type.ts";
import { envelopePaths } from "../../core/event-type.ts";
import type { IdentitySet } from "../../core/kernel.ts";
import type { TableLog } from "../../core/ports/table-log.ts";
import { secretOf } from "../../lake/id-key.ts";
import { rebuildIdentities, rollForward } from "./identities.ts";
import { type Lineage, readWriting } from "./lineage.ts";
import { LakeLookup, type Unsettled } from "./settle.ts";
import type { LandOptions, LandPorts } from "./options.ts";
import { type ImageTable, StateImages } from "./state-image.ts";
import type { LandingState } from "./state.ts";

/** New ids after which an image is written: what a start may have to read from the lake. */
const IMAGE_IDS = 250_000;
/** Commits after which an image is written: a start reads each of them. */
const IMAGE_COMMITS = 1_000;
/** A clean stop writes one already at this share of either. */
const STOP_SHARE = 0.1;

export class TableIdentities {
  readonly ids: IdentitySet;
  readonly #ports: LandPorts;
  readonly #options: LandOptions;
  readonly #table: string;
  readonly #log: TableLog;
  readonly #images: StateImages | undefined;
  readonly #lake: LakeLookup;
  /** Whether the type has ids of its own: without, none ever repeats. */
  readonly #hasIds: boolean;
  /** Since the newest image. */
  #newIds = 0;
  #newCommits = 0;

  constructor(ports: LandPorts, options: LandOptions, type: EventType, log: TableLog, tableId: string) {
    this.#ports = ports;
    this.#options = options;
    this.#table = type.name;
    this.#log = log;
    this.#hasIds = envelopePaths(type).id !== undefined;
    const { state } = ports;
    this.#images = state && new StateImages({ ...ports, state }, type.name, tableId);
    this.#lake = new LakeLookup(ports, type.name, options.horizonMs);
    this.ids = ports.kernel.createIdentitySet(options);
  }

  /** Fills the empty set. */
  async open(state: LandingState): Promise<void> {
    if (!this.#hasIds) return;
    const { clock, logger } = this.#ports;
    const startedMs = clock.monotonicMs();
    const image = await this.#images?.load(this.ids, this.#imageTable(state));
    const imageIds = this.ids.size;
    const rolled = image === undefined ? undefined : await this.#roll(image, state);
    if (rolled === undefined) await rebuildIdentities(this.#ports, this.ids, this.#table, state);
    this.#newIds = rolled === undefined ? this.ids.size : Math.max(0, this.ids.size - imageIds);
    this.#newCommits = rolled ?? 0;
    logger.debug("ids known", {
      table: this.#table,
      version: state.snapshot.version,
      image: rolled === undefined ? null : image,
      ids: this.ids.size,
      took_ms: Math.round(clock.monotonicMs() - startedMs),
    });
  }

  /** Carries the set over what others committed; from nothing where rows went away unrecorded. */
  async follow(before: LandingState, after: LandingState): Promise<void> {
    if (!this.#hasIds) return;
    const rolled = await this.#roll(before.snapshot.version, after);
    if (rolled === undefined) {
      this.#lake.forget();
      await rebuildIdentities(this.#ports, this.ids, this.#table, after);
    }
    this.#newCommits += rolled ?? IMAGE_COMMITS;
  }

  /** What sealed parts leave open, exactly. @param state that the set is at */
  settle(state: LandingState, unsettled: Unsettled): Promise<Uint8Array> {
    return this.#lake.settle(state.snapshot, unsettled);
  }

  /** Notes a commit of ours. */
  committed(landed: number): void {
    this.#newIds += landed;
    this.#newCommits++;
  }

  /**
   * Writes an image of the set at `state` where one is due. Never throws for what the store of images does.
   * @param isStop whether nothing more will land here
   */
  async saveIfDue(state: LandingState, lineage: Lineage, isStop: boolean): Promise<void> {
    const { imageIds = IMAGE_IDS, imageCommits = IMAGE_COMMITS } = this.#options;
    const share = isStop ? STOP_SHARE : 1;
    const isDue = this.#newIds >= imageIds * share || this.#newCommits >= imageCommits * share;
    const { base } = lineage;
    const isSame = this.#newIds === 0 && this.#newCommits === 0;
    if (!this.#images || !this.#hasIds || !isDue || isSame || base === undefined) return;
    // Whether it succeeds or not: the next one is due as much later.
    this.#newIds = this.#newCommits = 0;
    await this.#images.save(this.ids, { ...this.#imageTable(state), writingOf: async () => base });
  }

  #roll(fromVersion: number, state: LandingState): Promise<number | undefined> {
    return rollForward(this.#ports, this.ids, this.#table, this.#log, fromVersion, state);
  }

  #imageTable({ snapshot }: LandingState): ImageTable {
    return {
      tableId: snapshot.metadata?.id ?? "",
      secret: secretOf(snapshot),
      version: snapshot.version,
      writingOf: (version) => readWriting(this.#log, version),
    };
  }
}
