import { expect, test } from "vitest";
import { ManualClock } from "../../core/clock.ts";
import { Drain } from "../../core/http-drain.ts";

const request = (): Request => new Request("http://localhost/");

test("what is under way is answered, what comes is refused, and the stop ends with the last answer", async () => {
  const answers: (() => void)[] = [];
  const drain = new Drain(
    () => new Promise((resolve) => answers.push(() => resolve(new Response("done", { status: 201 })))),
    new ManualClock(0),
  );
  const [first, second] = [drain.handle(request()), drain.handle(request())];
  expect(drain.underWay).toBe(2);
  let isStopped = false;
  const stopping = drain.stop(1_000).then(() => (isStopped = true));
  const refused = await drain.handle(request());
  expect([refused.status, refused.headers.get("connection")]).toEqual([503, "close"]);
  expect(await refused.json()).toMatchObject({ code: "log.closed" });
  answers[0]!();
  const answered = await first;
  expect([answered.status, answered.headers.get("connection"), await answered.text()]).toEqual([
    201,
    "close",
    "done",
  ]);
  expect(isStopped).toBe(false);
  answers[1]!();
  await second;
  await stopping;
  expect([isStopped, drain.underWay]).toEqual([true, 0]);
});

test("an answer that does not come is waited for only so long", async () => {
  const clock = new ManualClock(0);
  const drain = new Drain(() => new Promise(() => {}), clock);
  void drain.handle(request());
  const stopping = drain.stop(2_000);
  clock.advance(2_000);
  await stopping;
  expect(drain.underWay).toBe(1);
});

test("with nothing under way a stop is done at once", async () => {
  const drain = new Drain(() => new Response(null), new ManualClock(0));
  await drain.handle(request());
  await drain.stop(1_000);
});
