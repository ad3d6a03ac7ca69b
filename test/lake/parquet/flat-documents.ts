/** Documents of the flat event type. */
import * as fc from "fast-check";

const times = fc.date({ min: new Date(0), max: new Date("2100-01-01T00:00:00Z"), noInvalidDate: true });
const event = fc
  .record(
    {
      name: fc.oneof(fc.string({ unit: "grapheme" }), fc.constantFrom("", "x".repeat(3_000), 'a"\\b')),
      count: fc.maxSafeInteger(),
      ratio: fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (value === 0 ? 0 : value)),
      isOpen: fc.boolean(),
      at: times.map((time) => time.toISOString()),
      day: times.map((time) => time.toISOString().slice(0, 10)),
    },
    { requiredKeys: [] },
  )
  .map((fields) => JSON.stringify(fields));
export const flatDocuments: fc.Arbitrary<string[]> = fc.array(event, { minLength: 1, maxLength: 12 });
