/** Which functions a job may call, of those that the gate allows: the same rows must give the same result, always. */
import { AGGREGATE_FUNCTIONS } from "../../query/functions.ts";

const words = (list: string): ReadonlySet<string> => new Set(list.split(/\s+/));

/** What they give depends on the moment, or on chance. */
export const UNSTEADY: ReadonlySet<string> = words(
  `now today current_date current_time current_timestamp current_localtime current_localtimestamp get_current_time
  get_current_timestamp transaction_timestamp random uuid gen_random_uuid uuidv4 uuidv7`,
);

/** What they give follows from the set of values, in whatever order these come. */
const EXACT: ReadonlySet<string> = words(
  `count count_star count_if countif sum min max avg mean bool_and bool_or bit_and bit_or bit_xor
  approx_count_distinct median quantile quantile_cont quantile_disc mad`,
);

/** Exact where the values are ordered by themselves. */
export const LISTS: ReadonlySet<string> = words("list array_agg string_agg group_concat listagg");

const RANKS: ReadonlySet<string> = words("rank dense_rank rank_dense percent_rank cume_dist");

/** Window functions that need to know which of two rows comes first, always. */
export const PLACES: ReadonlySet<string> = words(
  "row_number ntile lag lead first_value last_value nth_value first last",
);

const INSTEAD: readonly (readonly [ReadonlySet<string>, string])[] = [
  [words("approx_quantile reservoir_quantile"), "quantile_cont(x, 0.95), which is exact"],
  [LISTS, "array_agg(x ORDER BY x)"],
  [
    words(`any_value arbitrary first last mode fill arg_max arg_min argmax argmin max_by min_by arg_max_null
      arg_min_null arg_max_nulls_last arg_min_nulls_last`),
    "min(x), max(x), or QUALIFY row_number() OVER (PARTITION BY window_end, k ORDER BY event_time, event_id) = 1",
  ],
  [
    words("fsum favg kahan_sum sumkahan stddev stddev_pop stddev_samp var_pop var_samp variance"),
    "sum of decimals",
  ],
];

export const isAggregate = (name: string): boolean => AGGREGATE_FUNCTIONS.has(name);

export function isExact(name: string): boolean {
  return EXACT.has(name);
}

/** As a window function. */
export function isSteadyWindow(name: string): boolean {
  return EXACT.has(name) || RANKS.has(name) || PLACES.has(name);
}

/** What to write in the place of an aggregate that is refused. */
export function insteadOf(name: string): string {
  const known = INSTEAD.find(([functions]) => functions.has(name));
  return known ? known[1] : [...EXACT].join(", ");
}
