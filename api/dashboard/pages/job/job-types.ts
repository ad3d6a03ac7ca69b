/** Jobs as the API tells them. */
export interface JobTold {
  readonly name: string;
  readonly text: string;
  readonly inputs: readonly string[];
  readonly output: string;
  readonly by: string;
  readonly created_at: string | null;
  readonly version: number;
  readonly running_version: number | null;
  readonly text_versions: readonly TextVersion[];
  readonly state: string;
  readonly problem: string | null;
  readonly versions: Readonly<Record<string, number>> | null;
  readonly behind_versions: number | null;
  readonly behind_ms: number | null;
  readonly is_live: boolean;
  readonly released_until: string | null;
  readonly runs_on?: string | null;
  readonly deliveries: readonly DeliveryTold[];
}

export interface TextVersion {
  readonly version: number;
  readonly by: string;
  readonly declared_at: string | null;
  readonly counts_from: string | null;
  readonly text?: string;
}

export interface DeliveryTold {
  readonly name: string;
  readonly state: string;
  readonly problem: string | null;
  readonly delivered: number;
  readonly behind_versions: number | null;
}

export interface GraphNode {
  readonly id: string;
  readonly kind: string;
  readonly name: string | null;
  readonly text?: string;
  readonly version?: number | null;
  readonly read_version?: number | null;
  readonly behind_versions?: number | null;
  readonly watermark?: string | null;
}

export interface GraphTold {
  readonly busy: number | null;
  readonly activity: {
    readonly steps: number;
    readonly rows: number;
    readonly rebuilds: number;
    readonly last_step_ms: number | null;
    readonly state_rows: number | null;
    readonly stored_rows: number | null;
  } | null;
  readonly is_live: boolean;
  readonly released_until: string | null;
  readonly output_version: number;
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly { readonly from: string; readonly to: string }[];
  readonly side_tables: readonly string[];
}

export function jobPath(name: string, rest = ""): string {
  return `/v1/jobs/${encodeURIComponent(name)}${rest}`;
}
