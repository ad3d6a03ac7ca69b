/** Rules, alerts and silences as the API tells them. */
export type Labels = Readonly<Record<string, string>>;

export interface AlertTold {
  readonly rule: string;
  readonly state: "pending" | "firing" | "resolved";
  readonly fingerprint: string;
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly value: number;
  readonly active_at: string | null;
  readonly starts_at: string | null;
  readonly ends_at: string | null;
  readonly silenced_by: readonly string[];
  readonly receivers: readonly string[];
}

export interface RuleTold {
  readonly name: string;
  readonly sql?: { readonly query: string; readonly every: string };
  readonly drop?: Readonly<Record<string, unknown>> & { readonly table: string };
  readonly description: string;
  readonly for_ms: number;
  readonly keep_firing_for_ms: number;
  readonly no_data: string;
  readonly receivers: readonly string[];
  readonly by: string;
  readonly state: string;
  readonly problem: string | null;
  readonly firing: number;
  readonly pending: number;
  readonly series: number | null;
  readonly warming_series: number | null;
  readonly complete_through: string | null;
  readonly evaluated_at: string | null;
}

export interface SilenceTold {
  readonly id: string;
  readonly matchers: string;
  readonly state: "active" | "expired";
  readonly starts_at: string;
  readonly ends_at: string;
  readonly by: string;
  readonly comment: string;
}

export interface ChartTold {
  readonly kind: "drop" | "sql";
  readonly complete_through: string | null;
  readonly points: readonly {
    readonly at: string;
    readonly value: number | null;
    readonly expected: number | null;
    readonly low: number | null;
    readonly is_dropping: boolean;
  }[];
}

export function rulePath(name: string, rest = ""): string {
  return `/v1/rules/${encodeURIComponent(name)}${rest}`;
}

/** As Alertmanager writes them. */
export function matchersOf(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .join(", ");
}
