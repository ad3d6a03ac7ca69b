/** Addresses against Python's `ipaddress`: what one is, its bytes, and whether anybody on the Internet may have it. */
import { expect, test } from "vitest";
import { seededRandomness } from "../../core/clock.ts";
import { isPublicAddress, parseAddress } from "../../core/network-address.ts";
import { runPython } from "../services/python.ts";

const ORACLE = `
import sys, json, ipaddress as ip
STRICTER = [ip.ip_network(n) for n in ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "2001::/23", "2002::/16",
  "3fff::/20")]
def judge(text):
    try:
        address = ip.ip_address(text)
    except ValueError:
        return None
    if "%" in text: return None
    public = address.is_global and not address.is_multicast and not address.is_reserved
    public = public and not any(address in network for network in STRICTER)
    if address.version == 6: public = public and address in ip.ip_network("2000::/3")
    return [address.packed.hex(), public]
print(json.dumps([judge(text) for arg in sys.argv[1:] for text in json.loads(arg)]))
`;
const PER_ARGUMENT = 1_000;

const V4_EDGES = ["0", "9", "10", "11", "100", "126", "127", "128", "168", "169", "172", "192", "198", "203"];
const SPECIAL = [
  "127.0.0.1 10.0.0.1 100.63.255.255 100.64.0.0 100.127.255.255 100.128.0.0 169.254.169.254 172.15.255.255",
  "172.16.0.0 172.31.255.255 172.32.0.0 192.0.0.192 192.0.1.0 168.63.129.16 168.63.129.17 198.17.255.255 198.20.0.0",
  "223.255.255.255 224.0.0.0 255.255.255.255 8.8.8.8 0.0.0.0 1 127.1 0x7f.0.0.1 010.0.0.1 256.0.0.1 1.2.3 1.2.3.4.5",
  "2130706433 1.2.3.4. .1.2.3 ١.2.3.4 :: ::1 :::: 1::2::3 ::ffff:127.0.0.1 ::ffff:8.8.8.8 64:ff9b::808:808 fe80::1",
  "fe80::1%eth0 fc00::1 fd00:ec2::254 2001:db8::1 2001::1 2001:1ff:: 2001:200:: 2002:7f00:1:: 2a00:1450:4001:830::200e",
  "3ffe::1 3fff::1 3fff:1000:: 4000:: 1fff:: ff02::1 1:2:3:4:5:6:7:8 1:2:3:4:5:6:7:8:9 1:2:3:4:5:6:7:: ::2:3:4:5:6:7:8",
  "1:2:3:4:5:6:1.2.3.4 1:2:3:4:5:6:7:1.2.3.4 1.2.3.4:: g::1 12345::1 : 1: :1 ::1: ::127.0.0.1 ::1.2.3 localhost",
].flatMap((line) => line.split(" "));

test("addresses are what Python takes them for, and public only where Python says so", async () => {
  const randomness = seededRandomness(Number(process.env["MUARA_SEED"] ?? 7));
  const below = (limit: number): number => Math.floor(randomness.fraction() * limit);
  const texts = [...SPECIAL, ""];
  for (let i = 0; i < 3_000; i++) {
    const first = below(2) ? V4_EDGES[below(V4_EDGES.length)] : below(256);
    texts.push(`${first}.${below(256)}.${below(256)}.${below(256)}`);
    const groups = Array.from({ length: below(9) }, () => below(65_536).toString(16));
    const head = ["2001", "2002", "2a00", "3fff", "fe80", "::ffff", "64", ""][below(8)]!;
    texts.push(`${head}:${groups.join(":")}`, `${head}::${groups.slice(0, 3).join(":")}`);
  }
  const batches = Array.from({ length: Math.ceil(texts.length / PER_ARGUMENT) }, (_, i) =>
    JSON.stringify(texts.slice(i * PER_ARGUMENT, (i + 1) * PER_ARGUMENT)),
  );
  const verdicts = (await runPython(ORACLE, batches, { set: "metrics" })) as ([string, boolean] | null)[];
  let [publicCount, privateCount] = [0, 0];
  for (const [i, text] of texts.entries()) {
    const bytes = parseAddress(text);
    const ours = bytes ? [Buffer.from(bytes).toString("hex"), isPublicAddress(text)] : null;
    expect({ text, is: ours }).toEqual({ text, is: verdicts[i] });
    if (ours?.[1]) publicCount++;
    else privateCount++;
  }
  expect(publicCount).toBeGreaterThan(1_000);
  expect(privateCount).toBeGreaterThan(1_000);
});
