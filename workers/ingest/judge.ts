/**
 * Whether each event of a scanned body may be published: the kernel's verdict, then the envelope (Nakadi's rules for
 * `metadata`), then the payload's schema. Works on the scan's columns; parsed is only what the kernel cannot judge, and
 * what it found wrong, to say what that is.
 */
import { isEqual } from "../../core/bytes.ts";
import type { ErrorCode } from "../../core/errors.ts";
import {
  FLAG_MALFORMED,
  FLAG_MISSING,
  FLAG_UUID,
  FLAG_WRONG_TYPE,
  VALUE_ABSENT,
  VALUE_ESCAPED_STRING,
  VALUE_NULL,
  VALUE_OBJECT,
  VALUE_STRING,
} from "../../core/kernel-abi.ts";
import { type Scan, type ScanField, verdictCode } from "../../core/kernel-scan.ts";
import { parseJson } from "../../core/parse-json.ts";
import type { Contract, Member } from "./contract.ts";
import type { Failures } from "./failures.ts";
import { isObject } from "./json-schema.ts";
import { extensionFault } from "./cloudevents/extensions.ts";
import { type MemberFault, pointerAt, unknownMember } from "./members.ts";

const NO_TIME = FLAG_MISSING | FLAG_WRONG_TYPE | FLAG_MALFORMED;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const DATA_OPERATIONS: ReadonlySet<string> = new Set(["C", "U", "D", "S"]);
const POINTER_LENGTH_MAX = 300;

const REASONS: Partial<Record<ErrorCode, string>> = {
  "event.not_object": "is not an object",
  "event.utf8": "is not valid UTF-8",
  "event.surrogate": "has half of a surrogate pair",
  "event.duplicate_key": "is there twice",
};

const decoder = new TextDecoder();

/** One scan of events of one type, and what is found wrong with them. */
export class Judge {
  readonly #contract: Contract;
  readonly #scan: Scan;
  readonly #failures: Failures;
  /** By place in the plan: views are cheap, but not free. */
  readonly #fields: ScanField[] = [];

  constructor(contract: Contract, scan: Scan, failures: Failures) {
    this.#contract = contract;
    this.#scan = scan;
    this.#failures = failures;
  }

  run(): void {
    this.#verdicts();
    const { category } = this.#contract.type;
    if (category === "undefined") this.#declaredPaths();
    else if (category === "cloudevent") this.#cloudEvent();
    else this.#nakadiEnvelope();
    if (category === "data") this.#dataChange();
    if (this.#contract.check) this.#payloads();
  }

  /** Of events that only say which key goes: what they need beside being JSON. */
  runDeletions(): void {
    const { places } = this.#contract;
    this.#verdicts();
    this.#texts(places.compactionKey, "#/metadata/partition_compaction_key", true);
    this.#eventTypes("#/metadata/event_type");
  }

  #verdicts(): void {
    const { verdicts, errorAt, starts, lengths, bytes, count } = this.#scan;
    const { maxBytes, maxDepth } = this.#contract.plan.limits;
    for (let item = 0; item < count; item++) {
      if (verdicts[item] === 0) continue;
      const code = verdictCode(verdicts[item]!);
      if (code === "event.too_large") {
        this.#fail(item, code, "#", `has ${lengths[item]} bytes, the limit is ${maxBytes}`);
        continue;
      }
      const pointer = pointerAt(bytes, starts[item]!, starts[item]! + errorAt[item]!);
      const reason = code === "event.too_deep" ? `is nested deeper than ${maxDepth}` : REASONS[code];
      this.#fail(item, code, pointer, `${reason} (byte ${errorAt[item]} of the event)`);
    }
  }

  /** Id and time of an undefined event, where annotations say that it has them. */
  #declaredPaths(): void {
    const { places, paths } = this.#contract;
    if (paths.id) this.#ids(places.id, pointerOf(paths.id), false);
    if (paths.time) this.#times(places.time, pointerOf(paths.time));
  }

  #nakadiEnvelope(): void {
    const { places } = this.#contract;
    const metadata = this.#field(places.metadata);
    for (let item = 0; item < this.#scan.count; item++) {
      const type = metadata.types[item]!;
      if (type === VALUE_OBJECT) continue;
      const reason = type === VALUE_ABSENT ? "is missing" : "must be an object";
      this.#fail(item, "event.schema", "#/metadata", reason);
    }
    this.#ids(places.id, "#/metadata/eid", true);
    this.#times(places.time, "#/metadata/occurred_at");
    this.#eventTypes("#/metadata/event_type");
    this.#strings(places.flowId, "#/metadata/flow_id");
    this.#strings(places.partition, "#/metadata/partition");
    if (places.compactionKey >= 0)
      this.#texts(places.compactionKey, "#/metadata/partition_compaction_key", true);
    this.#rareMembers();
    this.#onlyMembers(metadata, places.members, "#/metadata");
  }

  /** CloudEvents 1.0.2, §3.1, and its JSON format; a member that is null is as good as none (§2.2 there). */
  #cloudEvent(): void {
    const { places, paths } = this.#contract;
    const top = (name: string): number => placeOf(places.top, name);
    this.#version(top("specversion"));
    this.#texts(top("source"), "#/source", true);
    this.#ids(places.id, "#/id", false);
    this.#texts(places.eventType, "#/type", true);
    this.#eventTypes("#/type");
    this.#times(places.time, pointerOf(paths.time!));
    for (const name of ["subject", "datacontenttype", "dataschema", "data_base64"])
      this.#texts(top(name), `#/${name}`, false);
    const base64 = this.#field(top("data_base64")).types;
    const { types } = this.#field(places.data);
    for (let item = 0; item < this.#scan.count; item++) {
      if (isUnset(types[item]!)) continue;
      if (types[item] !== VALUE_OBJECT) this.#fail(item, "event.schema", "#/data", "must be an object");
      else if (!isUnset(base64[item]!))
        this.#fail(item, "event.schema", "#/data_base64", "must not be there beside data");
    }
    this.#onlyMembers(this.#scan, places.top, "", extensionFault);
  }

  #version(place: number): void {
    const { types } = this.#field(place);
    for (let item = 0; item < this.#scan.count; item++) {
      if (isUnset(types[item]!)) this.#fail(item, "event.schema", "#/specversion", "is missing");
      else if (this.#scan.text(place, item) !== "1.0")
        this.#fail(item, "event.schema", "#/specversion", 'must be "1.0"');
    }
  }

  /** Strings that are not empty. */
  #texts(place: number, pointer: string, isRequired: boolean): void {
    const { types, lengths } = this.#field(place);
    for (let item = 0; item < this.#scan.count; item++) {
      const type = types[item]!;
      const isText = type === VALUE_STRING || type === VALUE_ESCAPED_STRING;
      if (isText ? lengths[item]! > 0 : !isRequired && isUnset(type)) continue;
      const reason = isUnset(type) ? "is missing" : "must be a string, not empty";
      this.#fail(item, "event.schema", pointer, reason);
    }
  }

  #ids(place: number, pointer: string, mustBeUuid: boolean): void {
    const { flags } = this.#field(place);
    for (let item = 0; item < this.#scan.count; item++) {
      const flag = flags[item]!;
      if (mustBeUuid ? flag === FLAG_UUID : (flag & NO_TIME) === 0) continue;
      if (flag & FLAG_MISSING) this.#fail(item, "event.id_missing", pointer, "is missing");
      else
        this.#fail(
          item,
          "event.id_malformed",
          pointer,
          mustBeUuid ? "must be a UUID" : "must be a string, not empty",
        );
    }
  }

  #times(place: number, pointer: string): void {
    const { flags, types } = this.#field(place);
    const { isTimeOptional } = this.#contract.paths;
    for (let item = 0; item < this.#scan.count; item++) {
      const flag = flags[item]!;
      if ((flag & NO_TIME) === 0 || (isTimeOptional && isUnset(types[item]!))) continue;
      if (flag & FLAG_MISSING) this.#fail(item, "event.time_missing", pointer, "is missing");
      else this.#fail(item, "event.time_malformed", pointer, "must be an RFC 3339 time with a zone");
    }
  }

  #eventTypes(pointer: string): void {
    const { places, nameBytes, type } = this.#contract;
    const field = this.#field(places.eventType);
    const { bytes } = this.#scan;
    for (let item = 0; item < this.#scan.count; item++) {
      const kind = field.types[item]!;
      if (kind === VALUE_ABSENT) continue;
      const start = field.starts[item]!;
      const isSame =
        kind === VALUE_STRING
          ? isEqual(bytes, start, start + field.lengths[item]!, nameBytes)
          : kind === VALUE_ESCAPED_STRING && this.#scan.text(places.eventType, item) === type.name;
      if (!isSame) this.#fail(item, "event.type_mismatch", pointer, `must be "${type.name}" or left out`);
    }
  }

  #strings(place: number, pointer: string): void {
    const { types } = this.#field(place);
    for (let item = 0; item < this.#scan.count; item++) {
      if (types[item]! > VALUE_ESCAPED_STRING) this.#fail(item, "event.schema", pointer, "must be a string");
    }
  }

  /** `parent_eids` and `span_ctx`: seldom there, so those that are get parsed. */
  #rareMembers(): void {
    for (const { name, place } of this.#contract.places.members) {
      if (name !== "parent_eids" && name !== "span_ctx") continue;
      const { types } = this.#field(place);
      for (let item = 0; item < this.#scan.count; item++) {
        if (types[item] === VALUE_ABSENT || this.#failures.has(item)) continue;
        const value = this.#parsed(place, item);
        if (name === "parent_eids" ? isUuids(value) : isStrings(value)) continue;
        const reason = name === "parent_eids" ? "must be a list of UUIDs" : "must be an object of strings";
        this.#fail(item, "event.schema", `#/metadata/${name}`, reason);
      }
    }
  }

  #dataChange(): void {
    const { places } = this.#contract;
    const { starts, lengths, count } = this.#scan;
    const data = this.#field(places.data);
    this.#onlyMembers({ starts, lengths }, places.top, "#");
    this.#dataOperations();
    this.#changeMembers();
    const { types } = this.#field(placeOf(places.top, "data_type"));
    for (let item = 0; item < count; item++) {
      const type = types[item]!;
      if (type === VALUE_ABSENT) this.#fail(item, "event.schema", "#/data_type", "is missing");
      else if (type > VALUE_ESCAPED_STRING)
        this.#fail(item, "event.schema", "#/data_type", "must be a string");
      if (data.types[item] === VALUE_OBJECT) continue;
      const reason = data.types[item] === VALUE_ABSENT ? "is missing" : "must be an object";
      this.#fail(item, "event.schema", "#/data", reason);
    }
  }

  /** Of changes; what their members hold is judged by landing. */
  #changeMembers(): void {
    for (const { name, place } of this.#contract.places.top) {
      if (name !== "source" && name !== "before") continue;
      const { types } = this.#field(place);
      for (let item = 0; item < this.#scan.count; item++) {
        const type = types[item]!;
        if (type === VALUE_OBJECT || (name === "before" && isUnset(type))) continue;
        const reason = type === VALUE_ABSENT ? "is missing" : "must be an object";
        this.#fail(item, "event.schema", `#/${name}`, reason);
      }
    }
  }

  #dataOperations(): void {
    const place = placeOf(this.#contract.places.top, "data_op");
    const { types, starts, lengths } = this.#field(place);
    const { bytes, count } = this.#scan;
    for (let item = 0; item < count; item++) {
      const type = types[item]!;
      const isOne =
        type === VALUE_STRING
          ? lengths[item] === 1 && DATA_OPERATIONS.has(String.fromCharCode(bytes[starts[item]!]!))
          : type === VALUE_ESCAPED_STRING && DATA_OPERATIONS.has(this.#scan.text(place, item)!);
      if (isOne) continue;
      const reason = type === VALUE_ABSENT ? "is missing" : "must be one of C, U, D, S";
      this.#fail(item, "event.schema", "#/data_op", reason);
    }
  }

  /**
   * Refuses unknown members. Where the known ones account for every byte of the object (braces, quotes, colons,
   * commas and nothing else) there can be no other, and its bytes need no look.
   */
  #onlyMembers(
    object: Pick<ScanField, "starts" | "lengths">,
    members: readonly Member[],
    pointer: string,
    faultOf: typeof unknownFault = unknownFault,
  ): void {
    const { bytes, count } = this.#scan;
    const accounted = new Uint32Array(count).fill(1);
    for (const { place, bytes: name } of members) {
      const { types, lengths } = this.#field(place);
      for (let item = 0; item < count; item++) {
        const type = types[item]!;
        if (type === VALUE_ABSENT) continue;
        const quotes = type <= VALUE_ESCAPED_STRING ? 2 : 0;
        accounted[item]! += lengths[item]! + quotes + name.length + 4; // its quotes, colon and comma
      }
    }
    for (let item = 0; item < count; item++) {
      if (this.#failures.has(item)) continue;
      const start = object.starts[item]!;
      const length = object.lengths[item]!;
      if (accounted[item] === length) continue;
      const fault = faultOf(bytes, start, start + length, members);
      if (fault) this.#fail(item, "event.schema", `${pointer}/${escapeStep(fault.key)}`, fault.reason);
    }
  }

  /** Parses only events that the kernel has not found to be as the schema says. */
  #payloads(): void {
    const { starts, lengths, count } = this.#scan;
    const { places, check } = this.#contract;
    const data = places.data >= 0 ? this.#field(places.data) : undefined;
    const from = data?.starts ?? starts;
    const size = data?.lengths ?? lengths;
    const { bytes } = this.#scan;
    const violations = this.#contract.plan.hasChecks ? this.#scan.violations : undefined;
    // Only a CloudEvent may be without.
    const ofNone = this.#contract.type.category === "cloudevent" ? check!({}) : null;
    for (let item = 0; item < count; item++) {
      if (ofNone && data && isUnset(data.types[item]!))
        this.#fail(item, "event.schema", ofNone.pointer, ofNone.reason);
      if (violations?.[item] === 0 || this.#failures.has(item) || (data && isUnset(data.types[item]!)))
        continue;
      const text = decoder.decode(bytes.subarray(from[item], from[item]! + size[item]!));
      const violation = check!(parseJson(text));
      if (violation) this.#fail(item, "event.schema", violation.pointer, violation.reason);
    }
  }

  #field(place: number): ScanField {
    return (this.#fields[place] ??= this.#scan.field(place));
  }

  #parsed(place: number, item: number): unknown {
    const { types, starts, lengths } = this.#field(place);
    if (types[item]! <= VALUE_ESCAPED_STRING) return this.#scan.text(place, item);
    const start = starts[item]!;
    return parseJson(decoder.decode(this.#scan.bytes.subarray(start, start + lengths[item]!)));
  }

  #fail(item: number, code: ErrorCode, pointer: string, reason: string): void {
    const shown = pointer.length <= POINTER_LENGTH_MAX ? pointer : `${pointer.slice(0, POINTER_LENGTH_MAX)}…`;
    this.#failures.add(item, "validating", code, shown, reason);
  }
}

function isUnset(type: number): boolean {
  return type === VALUE_ABSENT || type === VALUE_NULL;
}

function unknownFault(
  bytes: Uint8Array,
  start: number,
  end: number,
  members: readonly Member[],
): MemberFault | undefined {
  const key = unknownMember(bytes, start, end, members);
  return key === undefined ? undefined : { key, reason: "is not allowed here" };
}

function isUuids(value: unknown): boolean {
  return Array.isArray(value) && value.every((entry) => typeof entry === "string" && UUID.test(entry));
}

function isStrings(value: unknown): boolean {
  return isObject(value) && Object.values(value).every((entry) => typeof entry === "string");
}

function placeOf(members: readonly Member[], name: string): number {
  return members.find((member) => member.name === name)!.place;
}

function pointerOf(path: readonly string[]): string {
  return `#${path.map((key) => `/${escapeStep(key)}`).join("")}`;
}

function escapeStep(key: string): string {
  return key.replaceAll("~", "~0").replaceAll("/", "~1");
}
