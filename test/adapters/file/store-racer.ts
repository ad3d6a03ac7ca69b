/** A process of its own that races others for names in a directory store; prints what it won as JSON. */
import process from "node:process";
import { createFileObjectStore } from "../../../adapters/file/object-store.ts";
import { withPathLock } from "../../../adapters/file/path-lock.ts";

const [mode, root, name, roundsText] = process.argv.slice(2);
const rounds = Number(roundsText);
const store = createFileObjectStore({ root: root! });

if (mode === "absent") {
  const won: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const outcome = await store.putIfAbsent(`race/${round}`, new TextEncoder().encode(name!.repeat(20_000)));
    if (outcome.outcome === "done") won.push(round);
  }
  console.log(JSON.stringify(won));
} else if (mode === "match") {
  let count = 0;
  while (count < rounds) {
    const head = (await store.head("counter"))!;
    const value = Number(new TextDecoder().decode(await store.get("counter")));
    const bytes = new TextEncoder().encode(String(value + 1));
    if ((await store.putIfMatch("counter", bytes, head.etag)).outcome === "done") count++;
  }
  console.log(JSON.stringify(count));
} else if (mode === "hold") {
  await withPathLock(`${root}/${name}`, async () => {
    console.log("held");
    await new Promise((resolve) => setTimeout(resolve, 60_000));
  });
}
