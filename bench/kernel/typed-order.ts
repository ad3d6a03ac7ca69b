/** Orders positions by time: a radix sort of eleven bits a pass over what the times differ in, stable. */
const DIGIT = 2048;
const counts = new Uint32Array(DIGIT);
let spare = new Uint32Array(0);
let distances = new Float64Array(0);

export function orderTyped(
  times: Float64Array,
  selected: Uint32Array,
  count: number,
  out: Uint32Array,
): void {
  if (spare.length < times.length) {
    spare = new Uint32Array(times.length);
    distances = new Float64Array(times.length);
  }
  let least = Infinity;
  let greatest = -Infinity;
  for (let i = 0; i < count; i++) {
    const time = times[selected[i]!]!;
    if (time < least) least = time;
    if (time > greatest) greatest = time;
  }
  for (let i = 0; i < count; i++) distances[selected[i]!] = times[selected[i]!]! - least;
  let from = selected;
  let to = out;
  for (let unit = 1; unit <= greatest - least || from === selected; unit *= DIGIT) {
    counts.fill(0);
    const factor = 1 / unit; // a power of two: exact
    for (let i = 0; i < count; i++) counts[Math.floor(distances[from[i]!]! * factor) & (DIGIT - 1)]!++;
    let sum = 0;
    for (let digit = 0; digit < DIGIT; digit++) {
      const here = counts[digit]!;
      counts[digit] = sum;
      sum += here;
    }
    for (let i = 0; i < count; i++) {
      const position = from[i]!;
      to[counts[Math.floor(distances[position]! * factor) & (DIGIT - 1)]!++] = position;
    }
    const next = to === out ? spare : out;
    from = to;
    to = next;
  }
  if (from !== out) out.set(from.subarray(0, count));
}
