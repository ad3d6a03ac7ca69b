/** pyNakadi 0.2.14.8, unchanged, against a running Muara: only the address and the token are ours. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type MuaraProcess, startMuara, temporaryFolder } from "../services/muara.ts";
import { runPython } from "../services/python.ts";

const TIMEOUT_MS = 240_000;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let muara: MuaraProcess;
beforeAll(async () => {
  folder = await temporaryFolder("pynakadi");
  muara = await startMuara(folder.path);
}, TIMEOUT_MS);
afterAll(async () => {
  await muara.stop();
  await folder.remove();
});

const COMMON = `
import gzip, json, sys, threading, time, uuid
from pyNakadi import NakadiClient, NakadiException
url, token = sys.argv[1], sys.argv[2]
client = NakadiClient(token, url)
def event(number, partition=None):
    metadata = {"eid": str(uuid.uuid4()), "occurred_at": "2026-03-01T12:00:00Z"}
    if partition is not None: metadata["partition"] = str(partition)
    return {"metadata": metadata, "number": number}
def event_type(name, partitions=1, strategy="random"):
    schema = {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]}
    return {"name": name, "owning_application": "shop", "category": "business", "partition_strategy": strategy,
        "enrichment_strategies": ["metadata_enrichment"],
        "default_statistic": {"messages_per_minute": 1, "message_size": 1,
            "read_parallelism": partitions, "write_parallelism": partitions},
        "schema": {"type": "json_schema", "schema": json.dumps(schema)}}
def refused(call):
    try: call()
    except NakadiException as error: return error.code
    return None
def batches(stream):
    try:
        for line in stream: yield json.loads(line)
    except Exception as error:
        if type(error).__name__ not in ("EndOfStreamException", "EndOfStreamException0"): raise
def subscription(name, group):
    return client.create_subscription_v2({"owning_application": "shop", "event_types": [name],
        "consumer_group": group, "read_from": "begin"})
`;

const python = (script: string): Promise<unknown> =>
  runPython(COMMON + script, [muara.url, muara.token], { set: "bus", timeoutMs: TIMEOUT_MS });

const JOURNEY = `
name = "py.order"
out = {}
out["created"] = client.create_event_type(event_type(name, 2))
out["twice"] = refused(lambda: client.create_event_type(event_type(name, 2)))
out["strategy"] = client.get_event_type(name)["partition_strategy"]
out["partitions"] = client.get_event_type_partitions(name)
client.post_events(name, [event(n) for n in range(10)])
zipped = gzip.compress(json.dumps([event(n) for n in range(10, 20)]).encode())
page = f"{url}/event-types/{name}/events"
out["zipped"] = client.session.post(page, data=zipped, headers={"Content-Encoding": "gzip"}).status_code
out["bad"] = refused(lambda: client.post_events(name, [event(1), event("none")]))
out["unknown"] = refused(lambda: client.post_events("py.unknown", [event(1)]))
status, made = subscription(name, "one")
out["again"] = [status, subscription(name, "one")[0]]
id = made["id"]
out["listed"] = [one["id"] == id for one in client.get_subscriptions(event_type=[name])["items"]]
numbers, ends = [], []
stream = client.get_subscription_events_stream(id, batch_limit=4, stream_limit=12, max_uncommitted_events=100)
for batch in batches(stream):
    numbers += [one["number"] for one in batch.get("events", [])]
    if "events" in batch: client.commit_subscription_cursors(id, stream.get_stream_id(), [batch["cursor"]])
    ends.append(batch.get("info", {}).get("debug"))
out["first"], out["ends"] = len(numbers), [ends[0], ends[-1]]
left = sum(p["unconsumed_events"] for t in client.get_subscription_stats(id)["items"] for p in t["partitions"])
out["left"] = left
# It comes back and goes on where it was.
stream = client.get_subscription_events_stream(id, batch_limit=100, batch_flush_timeout=1, max_uncommitted_events=100)
for batch in batches(stream):
    numbers += [one["number"] for one in batch.get("events", [])]
    if "events" in batch: client.commit_subscription_cursors(id, stream.get_stream_id(), [batch["cursor"]])
    if len(numbers) >= 20: break
stream.close()
out["numbers"] = sorted(numbers)
cursors = client.get_subscription_cursors(id)["items"]
out["cursors"] = len(cursors)
distances = [{"initial_cursor": {"partition": c["partition"], "offset": "BEGIN"},
    "final_cursor": {"partition": c["partition"], "offset": c["offset"]}} for c in cursors]
out["distance"] = sum(d["distance"] for d in client.get_event_type_cursor_distances(name, distances))
reset = [{"event_type": name, "partition": c["partition"], "offset": "BEGIN"} for c in cursors]
out["reset"] = client.reset_subscription_cursors(id, reset)
out["lag"] = sum(p["unconsumed_events"]
    for t in client.get_subscription_stats(id, show_time_lag=True)["items"] for p in t["partitions"])
client.delete_subscription(id)
out["gone"] = refused(lambda: client.get_subscription(id))
print(json.dumps(out))`;

test(
  "declares, publishes (gzipped, too), is refused, subscribes, reads, commits and comes back",
  async () => {
    const found = await python(JOURNEY);
    const oldest = "001-0001-000000000000000000";
    expect(found).toEqual({
      created: true,
      twice: 409,
      strategy: "random",
      partitions: ["0", "1"].map((partition) => ({
        partition,
        oldest_available_offset: oldest,
        newest_available_offset: "001-0001--1",
      })),
      zipped: 200,
      bad: 422,
      unknown: 404,
      again: [201, 200],
      listed: [true],
      first: 12,
      ends: ["Stream started", "Stream limit in events reached: 12"],
      left: 8,
      numbers: [...Array(20).keys()],
      cursors: 2,
      distance: 20,
      reset: true,
      lag: 20,
      gone: 404,
    });
  },
  TIMEOUT_MS,
);

test(
  "two clients share the partitions; a third gets none; one that leaves gives its partitions to the other",
  async () => {
    const found = (await python(`
name = "py.shared"
client.create_event_type(event_type(name, 2, "user_defined"))
id = subscription(name, "two")[1]["id"]
got, streams, lock = {"a": [], "b": []}, {}, threading.Lock()
def consume(who):
    own = NakadiClient(token, url)
    stream = own.get_subscription_events_stream(id, batch_limit=1, batch_flush_timeout=1, max_uncommitted_events=10)
    streams[who] = stream
    try:
        for batch in batches(stream):
            if "events" not in batch: continue
            with lock: got[who] += [one["number"] for one in batch["events"]]
            own.commit_subscription_cursors(id, stream.get_stream_id(), [batch["cursor"]])
    except (OSError, AttributeError, ValueError, NakadiException): pass
def assigned():
    return sorted(p["stream_id"] for t in client.get_subscription_stats(id)["items"]
        for p in t["partitions"] if p["state"] == "assigned")
def wait(so):
    for _ in range(1200):
        if so(): return True
        time.sleep(0.05)
    raise Exception("not so after a minute: " + json.dumps([assigned(), got]))
for who in ("a", "b"):
    threading.Thread(target=consume, args=(who,), daemon=True).start()
    wait(lambda: who in streams)
wait(lambda: assigned() == sorted(s.get_stream_id() for s in streams.values()))
third = refused(lambda: client.get_subscription_events_stream(id))
client.post_events(name, [event(n, n % 2) for n in range(20)])
wait(lambda: len(got["a"]) + len(got["b"]) == 20)
shares = [len(got["a"]), len(got["b"])]
import socket
streams["b"].sock.shutdown(socket.SHUT_RDWR)
wait(lambda: assigned() == [streams["a"].get_stream_id()] * 2)
client.post_events(name, [event(n, n % 2) for n in range(20, 40)])
wait(lambda: len(got["a"]) + len(got["b"]) == 40)
found = {"third": third, "shares": shares, "all": sorted(got["a"] + got["b"]), "b": len(got["b"])}
print(json.dumps(found))`)) as Record<string, unknown>;
    expect(found).toEqual({ third: 409, shares: [10, 10], all: [...Array(40).keys()], b: 10 });
  },
  TIMEOUT_MS,
);
