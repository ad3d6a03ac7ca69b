/**
 * What landing knows of its table, and the only place that commits to it: state, id set and lineage change together
 * or the whole object is given up. Whatever goes wrong between a commit and the state that follows from it leaves
 * `isKnown` false: then nothing in memory may be used again, the table itself has to be asked.
 */
import { landConsumer } from "../../core/landed.ts";
import type { EventType } from "../../core/event-type.ts";
import { hasCode, isStoreTrouble, MuaraError } from "../../core/errors.ts";
import type { IdentitySet } from "../../core/kernel.ts";
import { planColumns } from "../../core/columns.ts";
import type { StreamInfo } from "../../core/ports/log.ts";
import type {
  TableChange,
  TableCommit,
  TableLog,
  TableSnapshot,
  Verdict,
} from "../../core/ports/table-log.ts";
import { declaredProperties, keepProperties } from "../../lake/declared-properties.ts";
import { evolveTable } from "../../lake/evolve-table.ts";
import { newSecret, secretOf } from "../../lake/id-key.ts";
import { checkYoung, storePathOf } from "../../lake/table/add-file.ts";
import { checkNotPaused } from "../../lake/table/table-pause.ts";
import { schemaVersionProperty } from "../../lake/table/table-schema-version.ts";
import { ensureTable } from "../../lake/tables.ts";
import { judgeWinner, type LandInfo } from "./change.ts";
import type { LandOptions, LandPorts } from "./options.ts";
import { checkBase, checkFollows, type Lineage, lineageAfter, readLineage } from "./lineage.ts";
import type { Unsettled } from "./settle.ts";
import { slowestIngestMs } from "../../core/slowest-ingest.ts";
import { stateOf, verifyWitnesses, type LandingState } from "./state.ts";
import { TableIdentities } from "./table-identities.ts";

export class LandTable {
  readonly #identities: TableIdentities;
  readonly #ports: LandPorts;
  readonly #type: EventType;
  readonly #stream: StreamInfo;
  readonly #log: TableLog;
  #state: LandingState;
  #lineage: Lineage;
  #isKnown = true;

  private constructor(
    ports: LandPorts,
    options: LandOptions,
    type: EventType,
    stream: StreamInfo,
    opened: { readonly log: TableLog; readonly state: LandingState; readonly lineage: Lineage },
  ) {
    const { log, state } = opened;
    this.#identities = new TableIdentities(ports, options, type, log, state.snapshot.metadata?.id ?? "");
    this.#ports = ports;
    this.#type = type;
    this.#stream = stream;
    this.#log = log;
    this.#state = state;
    this.#lineage = opened.lineage;
  }

  /** Opens or creates the table, holds it against the log, and rebuilds the id set. */
  static async open(
    ports: LandPorts,
    options: LandOptions,
    type: EventType,
    stream: StreamInfo,
  ): Promise<LandTable> {
    const log = ports.openTable(type.name);
    const { columns } = planColumns(type);
    const { version } = type.schema;
    const secret = newSecret(ports.randomness);
    const properties = { ...secret, ...schemaVersionProperty(version), ...declaredProperties(type) };
    const found = await ensureTable(log, type.name, columns, properties, ports);
    const grown = await evolveTable(ports, type.name, log, found, columns, version);
    const snapshot = await keepProperties(ports, log, grown, type);
    const { state, lineage } = await readState(ports, log, stream, snapshot);
    const table = new LandTable(ports, options, type, stream, { log, state, lineage });
    try {
      await table.#hold();
      await table.#identities.open(state);
      return table;
    } catch (error) {
      table.discard();
      // Files of an older version may be gone: what looks wrong is believed only of the newest.
      if (!hasCode(error, "table.corrupt") || !(await isOutdated(log, state.snapshot))) throw error;
      return LandTable.open(ports, options, type, stream);
    }
  }

  get ids(): IdentitySet {
    return this.#identities.ids;
  }

  /** Asks the lake what sealed parts of the id set leave open. */
  settle(unsettled: Unsettled): Promise<Uint8Array> {
    return this.#identities.settle(this.#state, unsettled);
  }

  get state(): LandingState {
    return this.#state;
  }

  get secret(): Uint8Array {
    return secretOf(this.#state.snapshot);
  }

  /** False once an outcome is unknown: the object must be discarded. */
  get isKnown(): boolean {
    return this.#isKnown;
  }

  /** What the next landing commit names as its predecessor. */
  get previous(): string | null {
    return this.#lineage.landing ?? null;
  }

  /** Stores the ids for the next start, where it is worth it. Nothing may be tentative. */
  async saveImage(): Promise<void> {
    if (this.#isKnown) await this.#identities.saveIfDue(this.#state, this.#lineage, true);
  }

  /** Frees the id set. */
  discard(): void {
    this.#isKnown = false;
    this.ids.destroy();
  }

  /**
   * Commits a change that was decided on `state`, whose ids are tentative.
   * @returns false where another commit came first; the attempt's ids and files are then taken back
   * @throws land.fenced, table.paused, table.commit_conflict, table.commit_unknown and what the store throws
   */
  async commit(change: TableChange, signal: AbortSignal): Promise<boolean> {
    const { snapshot, step } = this.#state;
    await checkBase(this.#log, snapshot.version, this.#lineage);
    this.#isKnown = false;
    checkYoung(change.add, this.#ports.clock.nowMs());
    const check = (winner: TableCommit): Verdict => {
      checkFollows(winner, step, this.#lineage.landing);
      return judgeWinner(winner);
    };
    const outcome = await this.#log.commit({ base: snapshot, change, check, signal });
    if (outcome.outcome === "committed") {
      this.ids.keep();
      this.#state = stateOf(outcome.snapshot, this.#ports.log, this.#stream);
      this.#lineage = lineageAfter(this.#lineage, outcome.commit);
      this.ids.expire(slowestIngestMs(this.#state.partitions));
      this.#identities.committed(landedIn(change));
      this.#isKnown = true;
      await this.#hold();
      await this.#identities.saveIfDue(this.#state, this.#lineage, false);
      return true;
    }
    this.ids.undo();
    const before = this.#state;
    this.#state = stateOf(outcome.snapshot, this.#ports.log, this.#stream);
    this.#lineage = lineageAfter(this.#lineage, outcome.winner);
    await this.#deleteFiles(change);
    checkNotPaused(this.#state.snapshot.metadata, this.#ports.clock.nowMs());
    if (this.#state.snapshot.metadata !== before.snapshot.metadata)
      throw new MuaraError("land.fenced", `${this.#type.name}: the table's metadata was changed.`, {
        details: { table: this.#type.name, version: this.#state.snapshot.version },
      });
    await verifyWitnesses(this.#state, this.#ports.log, this.#stream, this.#ports.kernel);
    await this.#identities.follow(before, this.#state);
    this.#isKnown = true;
    return false;
  }

  /** Only after a proven refusal: no version names these files. One that stays is left to the sweeper. */
  async #deleteFiles(change: TableChange): Promise<void> {
    const { side } = change.info as unknown as LandInfo;
    const paths = change.add.map((file) => storePathOf(this.#type.name, file.path));
    for (const path of side === null ? paths : [...paths, side]) {
      try {
        await this.#ports.store.delete(path);
      } catch (error) {
        if (!isStoreTrouble(error)) throw error;
        this.#ports.logger.warn("a file of an abandoned attempt stays for the sweeper", { path, error });
      }
    }
  }

  /** The log must keep what has not landed. */
  #hold(): Promise<void> {
    const holds = this.#state.partitions.map(({ partition, cursor }) => ({
      stream: this.#stream.name,
      partition,
      offset: cursor,
    }));
    return this.#ports.log.hold(landConsumer(this.#stream.name), holds);
  }
}

async function isOutdated(log: TableLog, snapshot: TableSnapshot): Promise<boolean> {
  return (await log.snapshot({ from: snapshot })).version > snapshot.version;
}

/** Rows that a change lands. */
function landedIn({ info }: TableChange): number {
  return (info as unknown as LandInfo).ledger.reduce((sum, line) => sum + line.landed, 0);
}

/**
 * State and lineage at a version, held against the log. Meanwhile another owner may land and retention follow it; so
 * what looks wrong is believed only of the newest version.
 */
async function readState(
  ports: LandPorts,
  log: TableLog,
  stream: StreamInfo,
  snapshot: TableSnapshot,
): Promise<{ readonly state: LandingState; readonly lineage: Lineage }> {
  for (let at = snapshot; ;) {
    try {
      const lineage = await readLineage(log, at);
      const state = stateOf(at, ports.log, stream);
      await verifyWitnesses(state, ports.log, stream, ports.kernel);
      return { state, lineage };
    } catch (error) {
      const newest = await log.snapshot({ from: at });
      if (newest.version === at.version) throw error;
      at = newest;
    }
  }
}
