/**
 * The mean of what partial sums and counts say, to the last bit the one that the engine's `avg` gives over the rows:
 * it divides the whole sum by the count (and by a decimal's scale) in the widest float that the machine has, and then
 * rounds to a double. Where that is rounded twice, the result may differ from a division of doubles, which is only so
 * when the quotient lies within 1/1,024 of the middle between two doubles. Then, and where sum or count are no exact
 * doubles, `avg` itself is asked, over a list of as many values.
 */
export const MEAN_MACROS: readonly string[] = [
  // The digits of a decimal as an integer.
  `CREATE OR REPLACE TEMP MACRO muara_digits(total) AS
    CAST(replace(CAST(total AS VARCHAR), '.', '') AS HUGEINT)`,
  "CREATE OR REPLACE TEMP MACRO muara_power(shift) AS (1::HUGEINT << shift)",
  // How far the true quotient is from the double, in halves of its last place.
  `CREATE OR REPLACE TEMP MACRO muara_is_between(digits, divisor, quotient, shift) AS
    abs(2 * abs(digits * muara_power(shift) - CAST(quotient * pow(2.0, shift) AS HUGEINT) * divisor) - divisor)
      <= divisor // 256`,
  `CREATE OR REPLACE TEMP MACRO muara_mean_of(total, rows, digits, divisor) AS
    CASE WHEN total IS NULL THEN NULL WHEN digits = 0 THEN 0.0::DOUBLE
      WHEN abs(digits) < 9007199254740992 AND divisor < 9007199254740992
        AND NOT muara_is_between(abs(digits), divisor, abs(digits)::DOUBLE / divisor::DOUBLE,
          52 - CAST(floor(log2(abs(digits)::DOUBLE / divisor::DOUBLE)) AS INTEGER))
      THEN digits::DOUBLE / divisor::DOUBLE
      ELSE list_aggregate(list_resize([total], rows, total - total), 'avg') END`,
  `CREATE OR REPLACE TEMP MACRO muara_mean(total, rows, scale) AS
    muara_mean_of(total, rows, muara_digits(total), CAST(rows AS HUGEINT) * scale)`,
];

/** A mean that is NULL over no values. All are SQL. @param scale ten to the decimal's places; 1 of integers */
export function meanOf(total: string, rows: string, scale: string): string {
  return `muara_mean(${total}, ${rows}, ${scale}::HUGEINT)`;
}

/** Ten to the places of a type whose mean can be had so; null: it cannot. */
export function meanScale(type: string): string | null {
  if (/^(TINYINT|SMALLINT|INTEGER|BIGINT|UTINYINT|USMALLINT|UINTEGER)$/.test(type)) return "1";
  const places = /^DECIMAL\(\d+,(\d+)\)$/.exec(type);
  return places && Number(places[1]) <= 18 ? `1${"0".repeat(Number(places[1]))}` : null;
}
