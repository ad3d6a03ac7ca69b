/**
 * The worker of extracts with query processes of its own: a long extract takes no slot from anybody, and has its own
 * limits. Stopping ends a pass where it is; the next one begins anew, which is the same.
 */
import type { Config } from "../../core/config.ts";
import { feedsOf, type Feed } from "../../core/extract-feed.ts";
import type { FileCache } from "../query/file-cache.ts";
import { createQueryService } from "../query/service.ts";
import { judgeFeeds } from "./judge-feed.ts";
import { createExtractWorker, type ExtractPorts, type ExtractWorker } from "./extract-worker.ts";

/** An extract has all its rows. */
const ROWS_MAX = 1e12;

/** What the configuration declares; everybody who shows extracts is given it. */
export interface DeclaredExtracts {
  readonly feeds: readonly Feed[];
  /** Names of the tables that each feed reads, as written. */
  readonly tables: ReadonlyMap<string, readonly string[]>;
  /** How long a presigned address is good, ms. */
  readonly linkMs: number;
  /** Set once extracts are made in this process. */
  worker?: ExtractWorker;
}

export interface OpenExtracts {
  readonly worker: ExtractWorker;
  /** Ends what is being made. */
  readonly close: () => Promise<void>;
}

export interface OpenExtractsPorts extends Omit<ExtractPorts, "query"> {
  readonly config: Config;
  readonly extracts: DeclaredExtracts;
  readonly cache: FileCache | undefined;
}

/** @throws config.invalid naming the feed whose SQL cannot be one */
export async function declaredExtracts(config: Config): Promise<DeclaredExtracts> {
  const feeds = feedsOf(config.extracts);
  return { feeds, tables: await judgeFeeds(feeds), linkMs: config.extract.linkMs };
}

/** Opens the worker and enters it in `extracts`. */
export function openExtracts(ports: OpenExtractsPorts): OpenExtracts {
  const { config, extracts } = ports;
  const { memoryBytes, timeoutMs, windowBytes } = config.extract;
  const limits = { memoryBytes, timeoutMs, answerBytes: windowBytes, concurrency: 1, warm: 0 };
  const options = { ...config.query, ...limits, rows: ROWS_MAX, rowsMax: ROWS_MAX };
  const query = createQueryService({ ...ports, options });
  const made = createExtractWorker(extracts.feeds, extracts.tables, { ...ports, query }, config.extract);
  const over = new AbortController();
  const worker: ExtractWorker = {
    run: (signal) => made.run(AbortSignal.any([signal, over.signal])),
    make: (feed, signal) => made.make(feed, AbortSignal.any([signal, over.signal])),
  };
  extracts.worker = worker;
  const close = async (): Promise<void> => {
    over.abort();
    await query.close();
  };
  return { worker, close };
}
