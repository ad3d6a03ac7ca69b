/** Business processes as the API tells them. */
export interface ProcessTold {
  readonly name: string;
  readonly description: string;
  readonly by: string;
  readonly tables: readonly string[];
  readonly activities: readonly string[];
  readonly rules: readonly RuleTold[];
}

export interface RuleTold {
  readonly rule: string;
  readonly kind: "deadline" | "completion" | "velocity";
  readonly job: string;
  readonly table: string;
  readonly state: string;
  readonly problem: string | null;
  readonly released_until: string | null;
}

export interface MapTold {
  readonly activities: readonly string[];
  readonly edges: readonly MapEdge[];
}

export interface MapEdge {
  readonly from: string | null;
  readonly to: string | null;
  readonly times: number;
  readonly cases: number;
  readonly median_ms: number | null;
  readonly p95_ms: number | null;
}

export interface FunnelTold {
  readonly complete_through: string | null;
  readonly activities: readonly FunnelStep[];
}

export interface FunnelStep {
  readonly activity: string;
  readonly cases: number;
  readonly events: number;
  readonly after_previous: number | null;
  readonly median_ms: number | null;
  readonly p90_ms: number | null;
}

export const OUTCOMES = ["open", "met", "breached", "resolved_late"] as const;
export type Outcome = (typeof OUTCOMES)[number];
export type Counts = Readonly<Record<Outcome, number>>;

export interface DeadlineTold {
  readonly rule: string;
  readonly kind: "deadline" | "completion";
  readonly within_ms: number;
  readonly states: Counts;
  readonly ageing: readonly {
    readonly from_ms: number;
    readonly until_ms: number | null;
    readonly cases: number;
  }[];
  readonly due: readonly (Counts & { readonly from: string | null; readonly until: string | null })[];
}

export interface DeadlinesTold {
  readonly complete_through: string | null;
  readonly items: readonly DeadlineTold[];
}

export interface DeadlineCase {
  readonly case_id: string;
  readonly event_id: string;
  readonly state: Outcome;
  readonly started_at: string;
  readonly due_at: string;
  readonly at: string | null;
  readonly resolved_at: string | null;
  readonly got: number | null;
  readonly needed: number | null;
}

export interface VariantsTold {
  readonly variants: number;
  readonly cases: number;
  readonly items: readonly {
    readonly path: readonly string[];
    readonly cases: number;
    readonly median_ms: number | null;
    readonly example: string;
  }[];
}

export interface CaseFound {
  readonly case_id: string;
  readonly begun_at: string;
  readonly last_at: string;
  readonly last: string;
  readonly events: number;
  readonly late: number;
}

export function processPath(name: string, rest = "", bounds = ""): string {
  return `/v1/processes/${encodeURIComponent(name)}${rest}${bounds === "" ? "" : `?${bounds}`}`;
}

export function casePath(process: string, caseId: string): string {
  return `/cases/${encodeURIComponent(caseId)}?process=${encodeURIComponent(process)}`;
}
