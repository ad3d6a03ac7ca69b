/**
 * Who tells others which data was made of which: one run per landed batch, version of an extract, commit of a job.
 *
 * Contract: nothing here ever waits, throws or keeps work from being done. What cannot be told in time is dropped, and
 * counted.
 */
import type { Sample } from "../open-metrics.ts";

/** A stream or a table, as OpenLineage names it. */
export interface LineageName {
  readonly namespace: string;
  readonly name: string;
}

export interface LineageField {
  readonly name: string;
  readonly type: string;
}

/** A field of an input that a column is a copy of. */
export interface LineageSource extends LineageName {
  readonly field: string;
}

export interface LineageAssertion {
  readonly assertion: string;
  readonly success: boolean;
  readonly column?: string;
  readonly severity?: "error" | "warn";
  readonly expected?: string;
  readonly actual?: string;
}

export interface LineageInput {
  readonly of: LineageName;
  readonly version?: string;
  readonly assertions?: readonly LineageAssertion[];
}

export interface LineageOutput {
  readonly of: LineageName;
  readonly version?: string;
  readonly fields?: readonly LineageField[];
  /** By column: where it is copied from; columns that are made otherwise are left out. */
  readonly columns?: Readonly<Record<string, readonly LineageSource[]>>;
  readonly written?: { readonly rows: number; readonly bytes: number; readonly files: number };
}

export interface LineageJob {
  readonly name: string;
  readonly kind: "LANDING" | "JOB" | "EXTRACT";
}

export interface LineageRun {
  complete(inputs: readonly LineageInput[], outputs: readonly LineageOutput[]): void;
  /** It may be tried again, as another run. */
  fail(error: unknown): void;
  /** Somebody else came first, or there was nothing to do. */
  abort(): void;
}

export interface Lineage {
  stream(name: string): LineageName;
  table(name: string): LineageName;
  extract(feed: string): LineageName;
  /** @param atMs when it began, ms since 1970 UTC; absent: now */
  start(
    job: LineageJob,
    inputs: readonly LineageInput[],
    outputs: readonly LineageOutput[],
    atMs?: number,
  ): LineageRun;
  samples(): readonly Sample[];
  /** Tells what is left, for a moment. */
  close(): Promise<void>;
}
