/** The SDKs of the CloudEvents project for JavaScript and Python, against a Muara: sent, landed, asked for. */
import { CloudEvent, emitterFor, HTTP, httpTransport, Mode } from "cloudevents";
import { expect, test } from "vitest";
import { eventually, startMuara, temporaryFolder } from "../services/muara.ts";
import { pythonEnvironment, runPython } from "../services/python.ts";

const TYPE = "com.shop.parcel";
const COUNT = 40;

/** Sends each event binary and structured; prints what it sent. */
const SCRIPT = `
import json, sys, urllib.request
from datetime import datetime, timezone
from cloudevents.core.bindings import http
from cloudevents.core.v1.event import CloudEvent
url, token, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
sent = []
for n in range(count):
    attributes = {"id": f"größe {n} 100%", "source": "/python/ä", "type": "${TYPE}", "specversion": "1.0",
        "subject": f"parcel {n} €", "time": datetime(2026, 3, 1, 12, 0, n, 250000, tzinfo=timezone.utc),
        "datacontenttype": "application/json", "traceparent": f"00-{n:032x}-00-01"}
    event = CloudEvent(attributes=attributes, data={"n": n, "unit": "kg"})
    for message in (http.to_binary_event(event), http.to_structured_event(event)):
        headers = {**message.headers, "authorization": "Bearer " + token}
        request = urllib.request.Request(url + "/cloudevents", data=message.body, headers=headers, method="POST")
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200, answer.status
    sent.append([event.get_id(), event.get_subject(), n])
print(json.dumps(sent))
`;

test("both SDKs' events land once each, whatever the mode", { timeout: 300_000 }, async () => {
  await pythonEnvironment("cloudevents");
  const folder = await temporaryFolder("cloudevents");
  const muara = await startMuara(folder.path);
  try {
    const schema = { type: "object", properties: { n: { type: "integer" } }, required: ["n"] };
    const declared = await muara.fetch("/event-types", {
      method: "POST",
      body: JSON.stringify({
        name: TYPE,
        owning_application: "shop",
        category: "cloudevent",
        schema: { type: "json_schema", schema: JSON.stringify(schema) },
      }),
    });
    expect(declared.status).toBe(201);
    const options = { set: "cloudevents" } as const;
    const sent = (await runPython(SCRIPT, [muara.url, muara.token, String(COUNT)], options)) as unknown[][];
    expect(sent).toHaveLength(COUNT);

    const headers = { authorization: `Bearer ${muara.token}` };
    const transport = httpTransport(`${muara.url}/cloudevents`);
    for (let n = 0; n < COUNT; n++) {
      const event = new CloudEvent({
        id: `js ${n}`,
        source: "/js",
        type: TYPE,
        subject: `s${n}`,
        data: { n },
      });
      for (const mode of [Mode.BINARY, Mode.STRUCTURED])
        await emitterFor(transport, { binding: HTTP, mode })(event, { headers });
    }

    const sums = `SELECT sum(landed), sum(duplicates), sum(dead_letters) FROM books WHERE event_type = '${TYPE}'`;
    await eventually("all is booked", 60_000, async () => {
      const [sum] = await muara.sql(sums);
      return (
        sum!.every((one) => one !== null) && sum.reduce((a, b) => Number(a) + Number(b), 0) === 4 * COUNT
      );
    });
    expect((await muara.sql(sums))[0]!.map(Number)).toEqual([2 * COUNT, 2 * COUNT, 0]);
    const rows = await muara.sql(
      `SELECT event_id, subject, n, epoch_ms(event_time), extra FROM "${TYPE}" WHERE source = '/python/ä' ORDER BY n`,
    );
    expect(rows.map(([id, subject, n]) => [id, subject, Number(n)])).toEqual(
      sent.map(([id, subject, n]) => [`10:/python/ä${String(id)}`, subject, n]),
    );
    rows.forEach(([, , , at, extra], n) => {
      expect(Number(at)).toBe(Date.UTC(2026, 2, 1, 12, 0, n, 250));
      expect(JSON.parse(String(extra))).toMatchObject({ data: { unit: "kg" } });
      expect(String(extra)).toContain(`"traceparent":"00-${n.toString(16).padStart(32, "0")}-00-01"`);
    });
    expect(
      await muara.sql(`SELECT count(*) FROM "${TYPE}" WHERE source = '/js' AND subject = 's' || n`),
    ).toEqual([[String(COUNT)]]);
  } finally {
    await muara.stop();
    await folder.remove();
  }
});
