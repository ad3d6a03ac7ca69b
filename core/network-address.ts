/**
 * Which IP addresses belong to somebody on the public Internet. Everything else (this machine, private networks,
 * link-local, carriers' NAT, documentation, multicast, whatever embeds another address) may be a machine behind our own
 * firewall, so that a request which a stranger can aim must not go there (OWASP API7, server-side request forgery).
 * Sources: IANA's special-purpose registries for IPv4 and IPv6 (RFC 6890 and its successors). Of IPv6 only 2000::/3 is
 * public at all, so IPv4-mapped, NAT64, unique local, link-local and loopback need no entry of their own.
 */

const V4_SPECIAL: readonly string[] = [
  "0.0.0.0/8", // this network
  "10.0.0.0/8", // private
  "100.64.0.0/10", // carriers' NAT; a metadata service at 100.100.100.200
  "127.0.0.0/8", // loopback
  "168.63.129.16/32", // public by number, but Azure's platform from inside of Azure
  "169.254.0.0/16", // link-local; metadata services at .169.254
  "172.16.0.0/12", // private
  "192.0.0.0/24", // protocol assignments; a metadata service at .192
  "192.0.2.0/24", // documentation
  "192.88.99.0/24", // 6to4 relays, deprecated
  "192.168.0.0/16", // private
  "198.18.0.0/15", // benchmarks
  "198.51.100.0/24", // documentation
  "203.0.113.0/24", // documentation
  "224.0.0.0/4", // multicast
  "240.0.0.0/4", // reserved, broadcast
];
const V6_GLOBAL = "2000::/3";
const V6_SPECIAL: readonly string[] = [
  "2001::/23", // protocol assignments, Teredo (embeds an IPv4 address) among them
  "2001:db8::/32", // documentation
  "2002::/16", // 6to4, embeds an IPv4 address
  "3fff::/20", // documentation
];

/** 4 or 16 bytes. */
export type AddressBytes = Uint8Array;

/** @returns undefined for what is no address: names, decimal or octal forms, zones (`fe80::1%eth0`) */
export function parseAddress(text: string): AddressBytes | undefined {
  return text.includes(":") ? parseV6(text) : parseV4(text);
}

/** Whether the address is one of the public Internet; what is no address is not. */
export function isPublicAddress(text: string): boolean {
  const address = parseAddress(text);
  if (!address) return false;
  if (address.length === 4) return !V4_RANGES.some((range) => isIn(address, range));
  return isIn(address, V6_PUBLIC) && !V6_RANGES.some((range) => isIn(address, range));
}

/** Four decimal numbers without leading zeros, since 010 is 8 to some and 10 to others. */
function parseV4(text: string): AddressBytes | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256))
    return undefined;
  return Uint8Array.from(parts, Number);
}

/** RFC 4291 §2.2, its third form with IPv4 at the end included. */
function parseV6(text: string): AddressBytes | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half, i) => groupsOf(half, i === halves.length - 1));
  if (!head || (halves.length === 2 && !tail)) return undefined;
  const missing = 8 - head.length - (tail?.length ?? 0);
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...new Array<number>(Math.max(0, missing)).fill(0), ...(tail ?? [])];
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 255]));
}

function groupsOf(text: string, isLast: boolean): number[] | undefined {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [i, part] of parts.entries()) {
    const v4 = isLast && i === parts.length - 1 ? parseV4(part) : undefined;
    if (v4) groups.push(v4[0]! * 256 + v4[1]!, v4[2]! * 256 + v4[3]!);
    else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return groups;
}

interface Range {
  readonly base: AddressBytes;
  readonly bits: number;
}

function rangeOf(text: string): Range {
  const [base, bits] = text.split("/");
  return { base: parseAddress(base!)!, bits: Number(bits) };
}

function isIn(address: AddressBytes, { base, bits }: Range): boolean {
  for (let at = 0; at * 8 < bits; at++) {
    const mask = (0xff00 >> Math.min(8, bits - at * 8)) & 0xff;
    if ((address[at]! & mask) !== (base[at]! & mask)) return false;
  }
  return true;
}

const V4_RANGES = V4_SPECIAL.map(rangeOf);
const V6_PUBLIC = rangeOf(V6_GLOBAL);
const V6_RANGES = V6_SPECIAL.map(rangeOf);
