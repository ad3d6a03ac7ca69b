/**
 * A database whose changes are captured, as capture sees it: who it is, what tables it has, the slot that keeps its
 * log for us, and the publications that say what the slot tells.
 *
 * Contract, held by test/adapters/pg/*.test.ts:
 * - nothing here takes a lock beyond ACCESS SHARE on a table, but for the publications' own SHARE UPDATE EXCLUSIVE
 *   of the tables that come to them, which neither readers nor writers wait for.
 * - each call is a session of its own, closed before it returns; the exported snapshot of a slot keeps its session
 *   until it is released.
 * - all reject with source.*; what is not there is undefined.
 */
import type { DatabaseSnapshot, SnapshotTerms } from "./snapshot.ts";
import type { SourceDelta } from "./source-delta.ts";
import type { SourceCopy } from "./source-copy.ts";
import type { SourceRelation, SourceRequest, SourceStream, SourceTableColumn, SourceType } from "./source.ts";

/** Another one of either is another history. */
export interface SourceIdentity {
  readonly systemId: string;
  readonly timeline: number;
}

export interface SourceServer extends SourceIdentity {
  /** As PostgreSQL counts: 150006. */
  readonly version: number;
  readonly walLevel: string;
  /** 0: never. */
  readonly walSenderTimeoutMs: number;
  /** null: as much as the disk has. */
  readonly maxSlotWalKeepBytes: number | null;
  readonly slots: SourcePlaces;
  readonly senders: SourcePlaces;
  readonly synchronousCommit: string;
  readonly encoding: string;
  readonly isInRecovery: boolean;
  readonly user: string;
  readonly isSuperuser: boolean;
  readonly mayReplicate: boolean;
  /** Publications belong to a database. */
  readonly mayCreate: boolean;
  /** End of the log. */
  readonly lsn: bigint;
}

/** Of a kind that the server has a fixed number of. */
export interface SourcePlaces {
  readonly used: number;
  readonly max: number;
}

export interface SourceTable {
  readonly id: number;
  readonly schema: string;
  readonly name: string;
  readonly kind: "table" | "partitioned" | "partition" | "other";
  /** Of a partition: the table at the top, as `schema.table`. */
  readonly root: string | null;
  readonly persistence: "permanent" | "unlogged" | "temporary";
  readonly identity: SourceRelation["identity"];
  /** Columns that tell rows apart in every change: of the index that is the identity, else of the primary key. */
  readonly key: readonly string[];
  readonly columns: readonly SourceTableColumn[];
  /** The server's estimate, as analysed or as counted, whichever is more; of a partitioned table its partitions'. */
  readonly rows: number;
  /** Updates and deletes since its statistics began, partitions included. */
  readonly updates: number;
  readonly isOwner: boolean;
  readonly mayRead: boolean;
  /** Row security hides rows from a copy. */
  readonly hidesRows: boolean;
}

export interface SourceSlot {
  readonly name: string;
  readonly plugin: string;
  readonly database: string;
  readonly isActive: boolean;
  readonly restartLsn: bigint | null;
  readonly confirmedLsn: bigint | null;
  /** `unreserved`: about to be lost. null before PostgreSQL 13. */
  readonly walStatus: "reserved" | "extended" | "unreserved" | "lost" | null;
  /** What may still be written before the slot is in danger; null: no limit is set. */
  readonly safeWalBytes: number | null;
  /** End of the server's log when this was read. */
  readonly serverLsn: bigint;
}

export interface CreatedSlot {
  /** Changes after it are the slot's; all before it are in the snapshot. */
  readonly lsn: bigint;
  /** Name of the snapshot, valid until it is released. */
  readonly snapshot: string;
  release(): Promise<void>;
}

/** Of any database of the server: slots and copies wait for all of them. */
export interface SourceTransaction {
  readonly id: string;
  /** Since when it is open, ms; null where our user may not know. */
  readonly openMs: number | null;
  /** `prepared`: it belongs to no session any more. */
  readonly kind: "open" | "prepared";
  /** Whose it is, and what it says of itself, for people. */
  readonly what: string;
  /** The statement that ends it. */
  readonly remedy: string;
}

export interface SourceDatabase {
  /** host:port/database. */
  readonly place: string;
  server(): Promise<SourceServer>;
  /**
   * Of all who ask under a name one gets it, until he gives it back or his session ends; the others get undefined. A
   * lock of ours alone (advisory).
   */
  claim(name: string): Promise<(() => Promise<void>) | undefined>;
  /** By `schema.table`; without names all that could be captured. */
  tables(names?: readonly string[]): Promise<ReadonlyMap<string, SourceTable>>;
  /** Of a relation's columns, each; a type that is gone is text. */
  types(columns: readonly Pick<SourceTableColumn, "typeId" | "modifier">[]): Promise<readonly SourceType[]>;
  slot(name: string): Promise<SourceSlot | undefined>;
  createSlot(name: string): Promise<CreatedSlot>;
  /** Nothing happens where there is none. @throws source.busy while it is read */
  dropSlot(name: string): Promise<void>;
  /** Makes the publication tell of exactly these tables; `inserts`: of nothing but their inserts. */
  publish(name: string, tables: readonly string[], inserts?: "inserts"): Promise<void>;
  /** Nothing happens where there is none. */
  unpublish(name: string): Promise<void>;
  /** What the publication tells of, as `schema.table`; undefined where there is none. */
  readonly published: (name: string) => Promise<readonly string[] | undefined>;
  /** Those that have written, oldest first. */
  transactions(): Promise<readonly SourceTransaction[]>;
  copy(): SourceCopy;
  delta(): SourceDelta;
  stream(request: SourceRequest): Promise<SourceStream>;
  /**
   * All of it at one place of its log, for as long as that is open.
   * @throws source.timeout where a transaction has been open for `waitMs`: the snapshot waits for its end
   */
  snapshot(options: SnapshotTerms): Promise<DatabaseSnapshot>;
  /** Writes a transactional message into its log. */
  emit(prefix: string, content: string): Promise<void>;
}

/** @throws config.invalid where the configuration names no such database */
export type OpenSource = (name: string) => Promise<SourceDatabase>;
