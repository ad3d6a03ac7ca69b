import assert from "node:assert/strict";
import { AwsClient } from "aws4fetch";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseS3Address, s3Credentials } from "../../../adapters/s3/address.ts";
import { hasCode } from "../../../core/errors.ts";
import { objectStoreCases } from "../../conformance/object-store.ts";
import { tableLogCases } from "../../conformance/table-log.ts";
import { type S3Server, startS3 } from "../../services/versitygw.ts";

let server: S3Server;
beforeAll(async () => {
  server = await startS3();
});
afterAll(() => server.stop());

describe("object store on S3", () => {
  it.each(objectStoreCases)("%s", async (_name, run) => {
    await run({ open: async () => server.store(await server.freshAddress("a/folder")) });
  });

  it("without a folder the store is the whole bucket", async () => {
    const store = server.store(await server.freshAddress());
    await store.put("x/y", new Uint8Array([1]));
    assert.deepEqual(
      (await store.list("")).map(({ path }) => path),
      ["x/y"],
    );
    assert.match(store.location("x/y"), /^s3:\/\/muara-[0-9a-f-]+\/x\/y$/);
  });

  it("reads and signs what others have named in their own way", async () => {
    const address = await server.freshAddress("a/folder");
    const store = server.store(address);
    const client = new AwsClient({ ...server.credentials, service: "s3", region: "us-east-1" });
    const { base, prefix } = parseS3Address(address);
    const body = new TextEncoder().encode("rows");
    for (const path of ["t/city=S\u00e3o Paulo/x", "t/p=a, b@c(d)!/x", "t/\u65e5=1+2~3&4;5$/x"]) {
      const key = `${prefix}/${path}`.split("/").map(encodeURIComponent).join("/");
      const put = await client.fetch(`${base}/${key}`, { method: "PUT", body });
      assert.equal(put.status, 200, await put.text());
      assert.deepEqual(await store.get(path), body);
      assert.deepEqual(await store.getRange(path, 1, 2), body.subarray(1, 3));
      assert.equal((await store.head(path))!.bytes, 4);
      assert.equal(await (await fetch(await store.presign(path, 60_000))).text(), "rows");
    }
  });

  it("what is not allowed, or not there, is store.unavailable and never absence", async () => {
    const address = await server.freshAddress("p");
    const bad = { ...server, credentials: { ...server.credentials, secretAccessKey: "wrong" } };
    const { createS3ObjectStore } = await import("../../../adapters/s3/object-store.ts");
    const denied = createS3ObjectStore({ address: parseS3Address(address), credentials: bad.credentials });
    const missing = server.store(address.replace("muara-", "muara-gone-"));
    for (const store of [denied, missing])
      for (const call of [
        () => store.get("x"),
        () => store.list(""),
        () => store.put("x", new Uint8Array(1)),
        () => store.putIfAbsent("x", new Uint8Array(1)),
        () => store.putIfMatch("x", new Uint8Array(1), '"e"'),
      ])
        await assert.rejects(call, (error) => hasCode(error, "store.unavailable"));
  });

  it("a server that does not answer leaves a conditional write unknown", async () => {
    const store = server.store("s3://muara-nobody/p?endpoint=http%3A%2F%2F127.0.0.1%3A1");
    assert.equal((await store.putIfAbsent("x", new Uint8Array(1))).outcome, "unknown");
    await assert.rejects(store.get("x"), (error) => hasCode(error, "store.unavailable"));
  });
});

describe("table log on S3", () => {
  it.each(tableLogCases)("%s", async (_name, run) => {
    await run({ open: async () => server.store(await server.freshAddress("lake")) });
  });
});

describe("addresses", () => {
  it("name bucket, folder, endpoint and region", () => {
    expect(parseS3Address("s3://lake/a/b/?region=eu-central-1")).toEqual({
      bucket: "lake",
      prefix: "a/b",
      region: "eu-central-1",
      base: "https://lake.s3.eu-central-1.amazonaws.com",
    });
    expect(parseS3Address("s3://my.lake").base).toBe("https://s3.us-east-1.amazonaws.com/my.lake");
    expect(parseS3Address("s3://lake?endpoint=http://127.0.0.1:9000/").base).toBe(
      "http://127.0.0.1:9000/lake",
    );
  });

  it.each([
    "s3:lake",
    "s3://",
    "s3://Lake",
    "s3://lake/../x",
    "s3://lake?endpoint=ftp://x",
    "s3://lake?endpoint=https://key:secret@x",
    "s3://lake?key=x",
    "s3://lake?region=a/b",
  ])("%s is refused", (address) => {
    assert.throws(
      () => parseS3Address(address),
      (error) => hasCode(error, "config.invalid"),
    );
  });

  it("credentials come from the environment, complete or not at all", () => {
    const full = { AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b", AWS_SESSION_TOKEN: "c" };
    expect(s3Credentials(full)).toEqual({ accessKeyId: "a", secretAccessKey: "b", sessionToken: "c" });
    assert.throws(
      () => s3Credentials({ AWS_ACCESS_KEY_ID: "a" }),
      (error) => hasCode(error, "config.invalid"),
    );
  });
});
