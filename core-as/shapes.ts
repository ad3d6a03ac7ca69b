/**
 * Shapes: the sequences of keys that objects of a plan's events were seen to have. Events of one type look
 * alike, so the next key can be predicted, and one comparison of 16 bytes, the closing quote and the colon
 * included, replaces hashing it, looking for it among the object's keys, and looking for it among the paths
 * (the idea is V8's hidden classes, and simdjson's "on demand" field order).
 *
 * A shape is a state: these keys, in this order, all different. It belongs to one place in the event, so it
 * also knows the path node of its last key, and the shapes inside of that key's value. Shapes are a cache of
 * bounded size: a scan that leaves them goes on with the table of keys (keys.ts), with the same result.
 */
import { allocate, release } from "./memory";
import { KEY_NO_MEMORY, addKey } from "./keys";
import {
  lastShape,
  missedShapes,
  setLastShape,
  setMissedShapes,
  setShapeCount,
  setShapes,
  shapeCount,
  shapesOf,
} from "./plan";
import { isEqual } from "./text";

/** Shapes of a plan; of one object; that follow one shape. */
const TOTAL_MAX: u32 = 2048;
const OBJECT_MAX: u32 = 256;
const FOLLOWERS_MAX: u32 = 8;
/** So many objects without a shape are reason to forget them all and learn anew. */
const MISSED_MAX: u32 = 8192;
/** Bytes of a key that has shapes. */
const LENGTH_MAX: u32 = 255;

/** The key, its quote and its colon: the first 16 bytes, and one bit for each of them that does not count. */
const BYTES: usize = 0;
const IGNORED: usize = 16;
const HASH: usize = 32;
const TARGET: usize = 40;
/** The follower that came last. */
const PREDICTED: usize = 44;
const LENGTH: usize = 48;
const SIBLING: usize = 52;
/** The shape with one key less; 0 at the object's start. */
const BEFORE: usize = 56;
/** Where an object that is the value starts; of an array, what its items are the values of. */
const INNER: usize = 60;
const FOLLOWERS: usize = 68;
/** The object's start; there, the number of its shapes. */
const START: usize = 72;
const COUNT: usize = 76;
/** The shape of the plan that was made before. */
const MADE_BEFORE: usize = 80;
const KEY: usize = 96;

function create(plan: usize, extra: usize): usize {
  if (shapeCount(plan) >= TOTAL_MAX) return 0;
  const shape = allocate(KEY + extra);
  if (shape == 0) return 0;
  memory.fill(shape, 0, KEY);
  store<u32>(shape, <u32>lastShape(plan), MADE_BEFORE);
  setLastShape(plan, shape);
  setShapeCount(plan, shapeCount(plan) + 1);
  return shape;
}

/** What stands for a plan's records at the start of a scan; 0 when there is no memory, which is no error. */
export function beginShapes(plan: usize): usize {
  if (shapeCount(plan) >= TOTAL_MAX && missedShapes(plan) >= MISSED_MAX) {
    destroyShapes(plan);
    setShapes(plan, 0);
    setLastShape(plan, 0);
    setShapeCount(plan, 0);
    setMissedShapes(plan, 0);
  }
  if (shapesOf(plan) == 0) setShapes(plan, create(plan, 0));
  return shapesOf(plan);
}

export function destroyShapes(plan: usize): void {
  let shape = lastShape(plan);
  while (shape) {
    const before: usize = load<u32>(shape, MADE_BEFORE);
    release(shape);
    shape = before;
  }
}

/**
 * The shape without keys of an object that is the value at `shape`. Of an array it stands for the place of its
 * items, whose own shapes are inside of it. 0 when there is none.
 */
export function innerShape(plan: usize, shape: usize): usize {
  if (shape == 0) return 0;
  let inner: usize = load<u32>(shape, INNER);
  if (inner == 0) {
    inner = create(plan, 0);
    if (inner) store<u32>(inner, <u32>inner, START);
    store<u32>(shape, <u32>inner, INNER);
  }
  return inner;
}

export function targetOf(shape: usize): usize {
  return load<u32>(shape, TARGET);
}

/** The length of its last key with quote and colon. */
export function spanOf(shape: usize): usize {
  return <usize>load<u32>(shape, LENGTH) + 2;
}

/** The shape after the key that starts at `key`, if it is the predicted one, followed by quote and colon. */
export function predicted(shape: usize, key: usize): usize {
  const next: usize = load<u32>(shape, PREDICTED);
  if (next == 0) return 0;
  const equal = i8x16.bitmask(i8x16.eq(v128.load(key), v128.load(next, BYTES)));
  if ((equal | load<i32>(next, IGNORED)) != 0xffff) return 0;
  const length: u32 = load<u32>(next, LENGTH);
  if (length <= 14) return next;
  const isRest = isEqual(key + 14, next + KEY + 14, length - 14);
  return isRest && load<u16>(key + length) == 0x3a22 ? next : 0;
}

/** The shape after a key with that hash that has been seen here before; 0 when there is none. */
export function follower(shape: usize, hash: u64, key: usize, length: u32): usize {
  let next: usize = load<u32>(shape, FOLLOWERS);
  while (next) {
    if (
      load<u64>(next, HASH) == hash &&
      load<u32>(next, LENGTH) == length &&
      isEqual(next + KEY, key, length)
    ) {
      store<u32>(shape, <u32>next, PREDICTED);
      return next;
    }
    next = load<u32>(next, SIBLING);
  }
  return 0;
}

/** Whether a key is one of a shape's. */
export function isRepeated(shape: usize, hash: u64, key: usize, length: u32): bool {
  let at = shape;
  while (at) {
    if (load<u64>(at, HASH) == hash && load<u32>(at, LENGTH) == length && load<u32>(at, BEFORE) != 0) {
      if (isEqual(at + KEY, key, length)) return true;
    }
    at = load<u32>(at, BEFORE);
  }
  return false;
}

/**
 * A new shape: one more key, which is not one of `shape`'s and was spelled without escapes (it is compared with
 * raw bytes later). 0 when there are enough shapes, or memory is short.
 */
export function learn(plan: usize, shape: usize, target: usize, hash: u64, key: usize, length: u32): usize {
  const start: usize = load<u32>(shape, START);
  if (length > LENGTH_MAX || load<u32>(start, COUNT) >= OBJECT_MAX) return 0;
  let followers: u32 = 0;
  let next: usize = load<u32>(shape, FOLLOWERS);
  while (next) {
    followers++;
    next = load<u32>(next, SIBLING);
  }
  if (followers >= FOLLOWERS_MAX) return 0;
  const fresh = create(plan, <usize>length + 18);
  if (fresh == 0) return 0;
  memory.copy(fresh + KEY, key, length);
  store<u16>(fresh + KEY + length, 0x3a22);
  v128.store(fresh, v128.load(fresh + KEY), BYTES);
  store<i32>(fresh, length < 14 ? 0xffff & ~((4 << length) - 1) : 0, IGNORED);
  store<u64>(fresh, hash, HASH);
  store<u32>(fresh, length, LENGTH);
  store<u32>(fresh, <u32>target, TARGET);
  store<u32>(fresh, <u32>shape, BEFORE);
  store<u32>(fresh, <u32>start, START);
  store<u32>(fresh, load<u32>(shape, FOLLOWERS), SIBLING);
  store<u32>(shape, <u32>fresh, FOLLOWERS);
  store<u32>(shape, <u32>fresh, PREDICTED);
  store<u32>(start, load<u32>(start, COUNT) + 1, COUNT);
  return fresh;
}

/** Hands the keys of a shape to the table, where the rest of its object goes on. @returns false without memory */
export function leave(plan: usize, shape: usize, object: u32): bool {
  setMissedShapes(plan, missedShapes(plan) + 1);
  let at = shape;
  while (load<u32>(at, BEFORE)) {
    const answer = addKey(load<u64>(at, HASH), object, at + KEY, load<u32>(at, LENGTH));
    if (answer == KEY_NO_MEMORY) return false;
    at = load<u32>(at, BEFORE);
  }
  return true;
}
