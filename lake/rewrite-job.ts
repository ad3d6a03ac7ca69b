/** What is said to the process that rewrites data files, and what it answers. JSON-ready. */

export interface RewriteInput {
  /** Absolute. */
  readonly path: string;
  /** As the table's log says; both are checked. */
  readonly bytes: number;
  readonly checksum?: string;
}

export interface RewriteJob {
  readonly order: "rewrite";
  readonly inputs: readonly RewriteInput[];
  /** Delta schema of the table, JSON text: what the new file has, whatever the old ones do. */
  readonly schemaString: string;
  /** Not stored in files. */
  readonly partitionColumns: readonly string[];
  /** Columns by which rows are sorted; none: the order of the inputs and of their rows. */
  readonly orderBy: readonly string[];
  /** Absolute path of the new file. */
  readonly output: string;
}

export type RewriteReport =
  | { readonly report: "ready" }
  | {
      readonly report: "rewritten";
      readonly rows: number;
      readonly size: number;
      /** CRC-32, hex. */
      readonly checksum: string;
      /** Delta statistics, JSON text. */
      readonly stats: string;
    }
  | {
      readonly report: "failed";
      /** `gone`: an input does not exist. `unreadable`: an input is not what the log says. */
      readonly kind: "gone" | "unreadable" | "memory" | "full" | "failed";
      readonly message: string;
      readonly path?: string;
    };
