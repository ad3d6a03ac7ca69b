/**
 * The worker of extracts with query processes of its own: a long extract takes no slot from anybody, and has its own
 * limits. Stopping ends a pass where it is; the next one begins anew, which is the same.
 */
import type { Config } from "../../core/config.ts";
import { feedsOf } from "../../core/extract-feed.ts";
import type { FileCache } from "../query/file-cache.ts";
import { createQueryService } from "../query/service.ts";
import { createExtractWorker, type ExtractPorts, type ExtractWorker } from "./extract-worker.ts";

/** An extract has all its rows. */
const ROWS_MAX = 1e12;

export interface OpenExtracts {
  readonly worker: ExtractWorker;
  /** Ends what is being made. */
  close(): Promise<void>;
}

/** @param tables that each feed reads, by the feed's name */
export function openExtracts(
  config: Config,
  tables: ReadonlyMap<string, readonly string[]>,
  ports: Omit<ExtractPorts, "query"> & { readonly cache: FileCache | undefined },
): OpenExtracts {
  const { memoryBytes, timeoutMs, windowBytes } = config.extract;
  const limits = { memoryBytes, timeoutMs, answerBytes: windowBytes, concurrency: 1, warm: 0 };
  const options = { ...config.query, ...limits, rows: ROWS_MAX, rowsMax: ROWS_MAX };
  const query = createQueryService({ ...ports, options });
  const feeds = feedsOf(config.extracts);
  const worker = createExtractWorker(feeds, tables, { ...ports, query }, config.extract);
  const over = new AbortController();
  return {
    worker: {
      run: (signal) => worker.run(AbortSignal.any([signal, over.signal])),
      make: (feed, signal) => worker.make(feed, AbortSignal.any([signal, over.signal])),
    },
    close: async () => {
      over.abort();
      await query.close();
    },
  };
}
