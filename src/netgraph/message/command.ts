// A control message as a value, its header as FreeBSD has it, and the commands that a node understands, each with the forms of
// its argument and of its response.
import { bytearray, cmdbuf, type Form, hint32, struct, uint16, uint32, uint8 } from './form.ts';

/** The version in a header (NG_VERSION). */
export const NG_VERSION = 8;
/** In a message's flags: it answers another. */
export const NGF_RESP = 1;
/** In a command's number: it changes nothing, so the node need not be stopped for it. */
export const NGM_READONLY = 0x1000_0000;
/** In a command's number: a response comes in any case. */
export const NGM_HASREPLY = 0x2000_0000;

/** What a node understands: one row of its table (ng_cmdlist). */
export interface Command<A = unknown, R = unknown> {
  readonly name: string;
  /** Its number, NGM_READONLY and NGM_HASREPLY included. */
  readonly cmd: number;
  /** Of the argument; absent where there is none. */
  readonly args?: Form<A>;
  /** Of the response's argument; absent where it has none. */
  readonly reply?: Form<R>;
}

export interface Message<A = unknown> {
  /** Whose commands these are: a type's cookie or NGM_GENERIC_COOKIE. */
  readonly cookie: number;
  readonly cmd: number;
  /** The sender's mark; its response carries it back. */
  readonly token: number;
  /** NGF_RESP or 0. */
  readonly flags: number;
  /** The command's name. */
  readonly name: string;
  readonly args: A;
}

/** struct ng_mesg: the header of 56 bytes, then the argument's bytes. */
export interface NgMesg {
  version: number;
  spare: number;
  spare2: number;
  arglen: number;
  cmd: number;
  flags: number;
  token: number;
  typecookie: number;
  cmdstr: string;
  data: Uint8Array;
}

export const ngMesg: Form<NgMesg> = struct({
  version: uint8,
  spare: uint8,
  spare2: uint16,
  arglen: uint32,
  cmd: uint32,
  flags: hint32,
  token: uint32,
  typecookie: uint32,
  cmdstr: cmdbuf,
  data: bytearray(({ arglen }: { arglen: number }) => arglen),
});

/** The command of this name, or undefined. */
export function findCommand<C extends Command>(commands: readonly C[], name: string): C | undefined {
  return commands.find(command => command.name === name);
}
