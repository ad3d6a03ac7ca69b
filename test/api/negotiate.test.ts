/** Content negotiation (RFC 9110 §12.5.1) of POST /v1/sql. */
import { describe, expect, test } from "vitest";
import { negotiate } from "../../api/routes/sql.ts";

describe("Accept", () => {
  test.each([
    [undefined, "json"],
    ["", "json"],
    ["*/*", "json"],
    ["application/*", "json"],
    ["text/*", "csv"],
    ["text/csv", "csv"],
    ["TEXT/CSV", "csv"],
    ["application/x-ndjson, */*;q=0.1", "ndjson"],
    ["application/json;q=0.1, application/vnd.apache.parquet;q=0.2", "parquet"],
    ["application/json;q=0.1, application/vnd.apache.arrow.stream", "arrow"],
    ["application/json;q=0, */*", "ndjson"],
    ["text/csv ; q=0.5 , application/x-ndjson ; q=0.4", "csv"],
  ])("%s is answered in %s", (accept, format) => expect(negotiate(accept)[1]).toBe(format));

  test.each(["text/html", "application/json;q=0", "application/vnd.apache.arrow.file"])(
    "%s is not offered",
    (accept) =>
      expect(() => negotiate(accept)).toThrow(expect.objectContaining({ code: "request.not_acceptable" })),
  );
});
