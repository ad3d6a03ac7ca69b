/** The line of an event in the tail: its own fields to the digit, its metadata only where nothing else is known. */
import { expect, test } from "vitest";
import { bodyText } from "../../../api/dashboard/tail/body-text.ts";

test.each([
  ['{"metadata":{"eid":"a","occurred_at":"b"},"price":1.10}', '{"price":1.10}'],
  ['{ "metadata" : {"eid":"a"} ,\n "n":9007199254740993,"o":{}}', '{"n":9007199254740993,"o":{}}'],
  ['{"metadata":{"eid":"a"},"cut', '{"cut'],
  ['{"price":1,"metadata":{"eid":"a"}}', '{"price":1,"metadata":{"eid":"a"}}'],
  ['{"metadata":{"eid":"a"}}', '{"metadata":{"eid":"a"}}'],
  ['{"metadata":{"flow":{"id":1}},"price":1}', '{"metadata":{"flow":{"id":1}},"price":1}'],
  ['{"specversion":"1.0","metadata":{"a":1},"data":2}', '{"specversion":"1.0","metadata":{"a":1},"data":2}'],
  ["not an object", "not an object"],
])("%s", (payload, line) => {
  expect(bodyText(payload)).toBe(line);
});
