/** Connections to a target are bounded, and given in turn. */
import { expect, test } from "vitest";
import { createSinkPlaces } from "../../../adapters/pg/sink-places.ts";

const never = new AbortController().signal;

test("there are as many as there are; who waits longest comes next", async () => {
  const places = createSinkPlaces(2);
  const [first, second] = [await places.acquire(never), await places.acquire(never)];
  expect(places.isWanted).toBe(false);
  const order: string[] = [];
  const third = places.acquire(never).then((release) => {
    order.push("third");
    return release;
  });
  const fourth = places.acquire(never).then((release) => {
    order.push("fourth");
    return release;
  });
  await Promise.resolve();
  expect([places.isWanted, order]).toEqual([true, []]);
  first!();
  first!(); // a second time counts for nothing
  await third;
  expect([places.isWanted, order]).toEqual([true, ["third"]]);
  second!();
  await fourth;
  expect([places.isWanted, order]).toEqual([false, ["third", "fourth"]]);
});

test("who gives up waiting does not get one, and nobody loses it", async () => {
  const places = createSinkPlaces(1);
  const release = await places.acquire(never);
  const stop = new AbortController();
  const given = places.acquire(stop.signal);
  stop.abort();
  expect(await given).toBeUndefined();
  expect(await createSinkPlaces(0).acquire(AbortSignal.abort())).toBeUndefined();
  release!();
  expect(await places.acquire(never)).toBeTypeOf("function");
});
