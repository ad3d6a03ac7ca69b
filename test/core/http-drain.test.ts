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

test("while it leaves everything is answered and nobody is held on to, but it is not ready any more", async () => {
  const clock = new ManualClock(0);
  const asked: string[] = [];
  const drain = new Drain(({ url }) => {
    asked.push(new URL(url).pathname);
    return new Response("done", { status: 201, headers: { "x-own": "1" } });
  }, clock);
  const ask = async (path: string): Promise<unknown[]> => {
    const { status, headers } = await drain.handle(new Request(`http://localhost${path}`));
    return [status, headers.get("connection"), headers.get("x-own")];
  };
  expect(await ask("/health/ready")).toEqual([201, null, "1"]);
  let hasLeft = false;
  const leaving = drain.leave(500).then(() => (hasLeft = true));
  expect(await ask("/health/ready?x=1")).toEqual([503, "close", null]);
  expect(await ask("/health/live")).toEqual([201, "close", "1"]);
  expect(await ask("/event-types/x/events")).toEqual([201, "close", "1"]);
  expect(asked).toEqual(["/health/ready", "/health/live", "/event-types/x/events"]);
  clock.advance(499);
  await new Promise((resolve) => setImmediate(resolve));
  expect(hasLeft).toBe(false);
  clock.advance(1);
  await leaving;
  await drain.stop(1_000);
  expect(await ask("/health/live")).toEqual([503, "close", null]);
});

test("a request that fails is under way no more", async () => {
  const drain = new Drain(() => Promise.reject(new Error("no")), new ManualClock(0));
  await expect(drain.handle(request())).rejects.toThrow("no");
  expect(drain.underWay).toBe(0);
  await drain.leave(0);
  await drain.stop(1_000);
});
