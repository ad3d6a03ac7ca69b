/** Names by OpenLineage's naming conventions. */
import { expect, test } from "vitest";
import { lineagePlaces } from "../../core/lineage-places.ts";

test.each([
  ["/data/log", "file", "/data/log/a.b"],
  ["file:/data/log/", "file", "/data/log/a.b"],
  ["kafka://one:9092,two:9092/shop.?replicas=3", "kafka://one:9092", "shop.a.b"],
  ["kafka://one:9092", "kafka://one:9092", "a.b"],
  ["s3://bucket/some/folder/?region=eu", "s3://bucket", "some/folder/a.b"],
  ["s3://bucket?endpoint=http://127.0.0.1:9000", "s3://bucket", "a.b"],
])("a stream at %s is %s, %s", (address, namespace, name) => {
  expect(lineagePlaces(address, "/lake").stream("a.b")).toEqual({ namespace, name });
  expect(lineagePlaces("/log", address).table("a.b")).toEqual({ namespace, name });
});
