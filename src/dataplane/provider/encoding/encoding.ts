// Contexts as rtnetlink messages: for each kind of object how many bytes its message needs and how it is written, and what an
// errno in answer means. Whoever speaks netlink (the kernel, FPM, a capture) writes them by these, through the rows of
// operation.ts. A file here for each kind of object; in this one what they share.
import { type MessageBuffer, MessageWriter, rtnetlink as c, saysGone } from '../../../netlink/index.ts';
import { E } from '../../../sys/index.ts';
import { FLAG_DUMP, FLAG_REPLACE } from '../../constants.ts';
import type { ContextPool } from '../../context.ts';

/** Bytes that a context's message may need at most. */
export type Measure = (pool: ContextPool, handle: number) => number;

/** Writes the message at `offset` and returns its length; 0 where there is nothing that could be said. */
export type Encode = (
  pool: ContextPool,
  handle: number,
  buffer: MessageBuffer,
  offset: number,
  sequence: number,
) => number;

/** 0 = what was wanted is so, or the errno that the owner gets. */
export type Judge = (errno: number) => number;

/** Takes what the kernel answered, the message of `length` bytes at `offset`, into the context. */
export type Answer = (pool: ContextPool, handle: number, bytes: Uint8Array, offset: number, length: number) => void;

export interface Message {
  readonly bytes: Measure;
  readonly encode: Encode;
}

/** How an operation is told to a kernel. */
export interface Encoding extends Message {
  readonly judge: Judge;
  /** Takes it back; absent where the context does not say what there was before. */
  readonly undo?: Encode;
  /** What it finds there it overwrites: then nobody knows what there was before. */
  readonly overwrites?: true;
  /** Nothing of it lasts, so there is nothing to take back. */
  readonly passing?: true;
  /** The message is one of generic netlink's SEG6, with its type left 0. */
  readonly generic?: true;
  /** Of a question: without an answer it has failed. */
  readonly answer?: Answer;
}

export const CREATE: number = c.NLM_F_CREATE | c.NLM_F_REPLACE;
/** The same, and the answer says whether it took the place of something (netlink/batch.ts). */
export const CREATE_AND_SAY: number = CREATE | c.NLM_F_EXCL;

/** Lack of memory, or somebody else holding what we need: a matter of time, so the message is sent again. */
export function isTransient(errno: number): boolean {
  return errno === E.ENOBUFS || errno === E.ENOMEM || errno === E.EAGAIN || errno === E.EINTR || errno === E.EBUSY;
}

export const judgeInstall: Judge = errno =>
  // EEXIST in answer to "create or replace": just this is there already, behind another one of the same prefix.
  errno === E.EEXIST ? 0 : errno;

/** Whatever is gone is deleted. */
export const judgeDelete: Judge = errno => (saysGone(errno) ? 0 : errno);

export const judgeAsIs: Judge = errno => errno;

// Objects of which there are few are written by the table-driven writer and copied.
const FEW_BYTES = 512;
const writer = new MessageWriter(FEW_BYTES);

export const few: Measure = () => FEW_BYTES;

/** Appends the message to an empty writer. */
export type Write = (pool: ContextPool, handle: number, writer: MessageWriter, sequence: number) => void;

export function written(write: Write): Encode {
  return (pool, handle, buffer, offset, sequence) => {
    write(pool, handle, writer.reset(), sequence);
    buffer.bytes.set(writer.message, offset);
    return writer.at;
  };
}

export interface Pair {
  readonly install: Encoding;
  readonly remove: Encoding;
}

/** What is installed is taken back by its removal, and the other way round. */
export function pair(install: Encode, remove: Encode): Pair {
  return {
    install: { bytes: few, encode: install, judge: judgeInstall, undo: remove },
    remove: { bytes: few, encode: remove, judge: judgeDelete, undo: install },
  };
}

/** The same of an install by CREATE_AND_SAY. */
export function overwritingPair(install: Encode, remove: Encode): Pair {
  const both = pair(install, remove);
  return { ...both, install: { ...both.install, overwrites: true } };
}

/** An install over what there is, which is nowhere in the context. */
export function update(bytes: Measure, encode: Encode): Encoding {
  return { bytes, encode, judge: judgeInstall };
}

/** A notification, as far as the context kept it, for whoever passes it on: of an object that is there, and of one that is gone. */
export interface Told {
  readonly is: Message;
  readonly gone: Message;
}

/** A request's message turned into a notification's: its type, and the flags that the kernel sets. */
export function toldAs(is: number, gone: number, bytes: Measure, encode: Encode): Told {
  const as = (type: number): Message => ({
    bytes,
    encode(pool, handle, buffer, offset, sequence) {
      const length = encode(pool, handle, buffer, offset, sequence);
      const flags = pool.flags(handle);
      const multi = (flags & FLAG_DUMP) !== 0 ? c.NLM_F_MULTI : 0;
      const replace = (flags & FLAG_REPLACE) !== 0 ? c.NLM_F_REPLACE : 0;
      buffer.words[(offset >> 2) + 1] = type | ((multi | replace) << 16);
      return length;
    },
  });
  return { is: as(is), gone: as(gone) };
}
