// The attributes of a set as an UPDATE carries them. For a 4-octet session and IPv4 next hops that is a copy of the
// canonical octets; a 2-octet session gets AS_TRANS and AS4_PATH (RFC 6793 §4.2.2), and other next hops move into
// MP_REACH_NLRI.
import type { AttributeStore } from '../rib/attributes.ts';
import {
  AS_TRANS,
  ATTR_AGGREGATOR,
  ATTR_AS_PATH,
  ATTR_INTERNAL,
  ATTR_AS4_AGGREGATOR,
  ATTR_AS4_PATH,
  ATTR_NEXT_HOP,
  AttributeWriter,
  FLAG_EXTENDED,
  FLAG_OPTIONAL,
  FLAG_TRANSITIVE,
  SEGMENT_SEQUENCE,
} from '../wire/attribute.ts';
import { readWord } from '../../net/index.ts';

/** An AS number as a 2-octet speaker sees it. */
function narrow(as: number): number {
  return as > 65535 ? AS_TRANS : as;
}

/** Rewrites sets for 2-octet sessions; the result is in `writer`. */
export class OldSpeakerEncoder {
  readonly writer: AttributeWriter = new AttributeWriter();

  /** Attributes of `id` without NEXT_HOP if `skipNexthop`. */
  encode(store: AttributeStore, id: number, skipNexthop: boolean): AttributeWriter {
    const to = this.writer;
    to.length = 0;
    const arena = store.arena;
    let path = -1;
    let pathEnd = 0;
    let aggregator = -1;
    let wide = false;
    const end = store.start[id]! + store.length[id]!;
    for (let at = store.start[id]!; at < end; ) {
      const flags = arena[at]!;
      const code = arena[at + 1]!;
      const extended = (flags & FLAG_EXTENDED) !== 0;
      const length = extended ? (arena[at + 2]! << 8) | arena[at + 3]! : arena[at + 2]!;
      const value = at + (extended ? 4 : 3);
      const next = value + length;
      if (code > ATTR_AS4_PATH && path >= 0) {
        this.#writeTail(arena, wide ? path : -1, pathEnd, aggregator);
        path = aggregator = -1;
      }
      if (code === ATTR_AS_PATH) {
        path = value;
        pathEnd = next;
        wide = this.#writePath(arena, value, next);
      } else if (code === ATTR_AGGREGATOR && length === 8) {
        const as = readWord(arena, value);
        to.header(flags, code, 6);
        to.byte(narrow(as) >>> 8);
        to.byte(narrow(as));
        to.copy(arena, value + 4, next);
        if (as > 65535) aggregator = value;
      } else if (code !== ATTR_INTERNAL && (code !== ATTR_NEXT_HOP || !skipNexthop)) {
        to.need(next - at);
        to.copy(arena, at, next);
      }
      at = next;
    }
    if (path >= 0) this.#writeTail(arena, wide ? path : -1, pathEnd, aggregator);
    return to;
  }

  /** AS_PATH of 2-octet numbers; true where one did not fit that AS4_PATH has room for. */
  #writePath(arena: Uint8Array, from: number, end: number): boolean {
    const to = this.writer;
    let length = 0;
    for (let at = from; at < end; at += 2 + arena[at + 1]! * 4) length += 2 + arena[at + 1]! * 2;
    to.header(FLAG_TRANSITIVE, ATTR_AS_PATH, length);
    let wide = false;
    for (let at = from; at < end; ) {
      const type = arena[at]!;
      const count = arena[at + 1]!;
      to.byte(type);
      to.byte(count);
      at += 2;
      for (let i = 0; i < count; i++, at += 4) {
        const as = readWord(arena, at);
        if (as > 65535 && type <= SEGMENT_SEQUENCE) wide = true;
        to.byte(narrow(as) >>> 8);
        to.byte(narrow(as));
      }
    }
    return wide;
  }

  #writeTail(arena: Uint8Array, path: number, pathEnd: number, aggregator: number): void {
    const to = this.writer;
    if (path >= 0) {
      // Confederation segments stay out of AS4_PATH.
      let length = 0;
      for (let at = path; at < pathEnd; at += 2 + arena[at + 1]! * 4) {
        if (arena[at]! <= SEGMENT_SEQUENCE) length += 2 + arena[at + 1]! * 4;
      }
      to.header(FLAG_OPTIONAL | FLAG_TRANSITIVE, ATTR_AS4_PATH, length);
      for (let at = path; at < pathEnd; ) {
        const next = at + 2 + arena[at + 1]! * 4;
        if (arena[at]! <= SEGMENT_SEQUENCE) to.copy(arena, at, next);
        at = next;
      }
    }
    if (aggregator >= 0) {
      to.header(FLAG_OPTIONAL | FLAG_TRANSITIVE, ATTR_AS4_AGGREGATOR, 8);
      to.copy(arena, aggregator, aggregator + 8);
    }
  }
}
