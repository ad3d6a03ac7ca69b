/** What the API says of extracts, as far as pages show it. */

export interface Difference {
  readonly partition: string | null;
  readonly what: string;
  readonly expected: string;
  readonly reported: string;
}

export interface FeedAnswer {
  readonly feed: string;
  readonly description: string;
  readonly owner: string;
  readonly kind: "replace_partition" | "append";
  readonly window: "day" | "hour";
  readonly version: number;
  readonly created: string | null;
  readonly complete_through: string | null;
  readonly windows: number;
  readonly rows: number;
  readonly state: string;
  readonly problem: string | null;
  readonly withheld: readonly unknown[];
  readonly rows_without_time: number;
  readonly rows_too_late: number;
  readonly retention_days: number;
  readonly contract: { readonly version: string; readonly href: string };
  readonly reconciliation: {
    readonly version: number;
    readonly equal: boolean;
    readonly received_at: string;
    readonly by: string;
    readonly differences: readonly Difference[];
  } | null;
}

export interface VersionItem {
  readonly version: number;
  readonly created: string;
  readonly complete_through: string;
  readonly retained_until: string;
  readonly rows: number;
  readonly partitions: number;
  readonly files: number;
  readonly bytes: number;
  readonly ok: boolean;
}

export interface ManifestAnswer {
  readonly version: number;
  readonly rows: number;
  readonly inputs: Readonly<Record<string, number>>;
  readonly manifest_sha256: string;
  readonly partitions: readonly {
    readonly day?: string;
    readonly hour?: string;
    readonly revision: number;
    readonly revises: number | null;
    readonly reason: string;
    readonly action: string;
    readonly rows: number;
    readonly late_rows: number | null;
    readonly removed_rows: number | null;
    readonly totals: Readonly<Record<string, string>>;
  }[];
  readonly files: readonly {
    readonly id: string;
    readonly name: string;
    readonly bytes: number;
    readonly rows: number;
    readonly sha256: string;
    readonly url: string;
  }[];
  readonly quality: readonly {
    readonly partition: string;
    readonly check: string;
    readonly ok: boolean;
    readonly severity: string;
    readonly expected: string;
    readonly actual: string;
  }[];
}

export interface ReceiptAnswer {
  readonly version: number;
  readonly received_at: string;
  readonly by: string;
  readonly rows: number;
  readonly equal: boolean;
  readonly differences: readonly Difference[];
}

export interface FetchAnswer {
  readonly version: number;
  readonly full: boolean;
  readonly by: string;
  readonly manifest: boolean;
  readonly links: boolean;
  readonly files: number;
  readonly first_at: string;
  readonly last_at: string;
}

export const TARGETS = ["oracle", "snowflake", "bigquery", "redshift"] as const;

export function feedPath(feed: string, rest = ""): string {
  return `/v1/extracts/${encodeURIComponent(feed)}${rest}`;
}
