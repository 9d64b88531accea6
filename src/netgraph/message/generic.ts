// The generic messages, which every node understands (ng_message.h of FreeBSD): making, joining and ending nodes, and asking
// about them. The graph answers all but textstatus and textconfig, which are the type's to answer if it likes.
import { type Command, NGM_HASREPLY, NGM_READONLY, ngMesg } from './command.ts';
import { array, type Form, hint32, hookbuf, nodebuf, pathbuf, string, struct, typebuf, uint32 } from './form.ts';

export const NGM_GENERIC_COOKIE = 1137070366;

export interface MkPeer {
  type: string;
  ourhook: string;
  peerhook: string;
}
export interface Connect {
  /** Of the peer, from the node that is asked. */
  path: string;
  ourhook: string;
  peerhook: string;
}
export interface Name {
  name: string;
}
export interface RmHook {
  hook: string;
}
export interface NodeInfo {
  /** Empty where it has none. */
  name: string;
  type: string;
  id: number;
  /** How many it has. */
  hooks: number;
}
export interface LinkInfo {
  ourhook: string;
  peerhook: string;
  /** The peer. */
  nodeinfo: NodeInfo;
}
export interface HookList {
  nodeinfo: NodeInfo;
  linkinfo: LinkInfo[];
}
export interface NameList {
  numnames: number;
  nodeinfo: NodeInfo[];
}
export interface TypeInfo {
  typename: string;
  /** How many live. */
  numnodes: number;
}
export interface TypeList {
  numtypes: number;
  typeinfo: TypeInfo[];
}

export const nodeInfo: Form<NodeInfo> = struct({ name: nodebuf, type: typebuf, id: hint32, hooks: uint32 });
const linkInfo: Form<LinkInfo> = struct({ ourhook: hookbuf, peerhook: hookbuf, nodeinfo: nodeInfo });
export const hookList: Form<HookList> = struct({
  nodeinfo: nodeInfo,
  linkinfo: array({ element: linkInfo, length: ({ nodeinfo }: { nodeinfo: NodeInfo }) => nodeinfo.hooks }),
});
export const nameList: Form<NameList> = struct({
  numnames: uint32,
  nodeinfo: array({ element: nodeInfo, length: ({ numnames }: { numnames: number }) => numnames }),
});
export const typeList: Form<TypeList> = struct({
  numtypes: uint32,
  typeinfo: array({
    element: struct({ typename: typebuf, numnodes: uint32 }),
    length: ({ numtypes }: { numtypes: number }) => numtypes,
  }),
});
export const mkPeer: Form<MkPeer> = struct({ type: typebuf, ourhook: hookbuf, peerhook: hookbuf });
export const connect: Form<Connect> = struct({ path: pathbuf, ourhook: hookbuf, peerhook: hookbuf });
export const name: Form<Name> = struct({ name: nodebuf });
export const rmHook: Form<RmHook> = struct({ hook: hookbuf });

const ASKS: number = NGM_READONLY | NGM_HASREPLY;

function command<A, R>(row: Command<A, R>): Command {
  return row as Command;
}

/** `textconfig` may come without its argument, to ask. */
export const GENERIC_COMMANDS: readonly Command[] = [
  command({ name: 'shutdown', cmd: 1 }),
  command({ name: 'mkpeer', cmd: 2, args: mkPeer }),
  command({ name: 'connect', cmd: 3, args: connect }),
  command({ name: 'name', cmd: 4, args: name }),
  command({ name: 'rmhook', cmd: 5, args: rmHook }),
  command({ name: 'nodeinfo', cmd: 6 | ASKS, reply: nodeInfo }),
  command({ name: 'listhooks', cmd: 7 | ASKS, reply: hookList }),
  command({ name: 'listnames', cmd: 8 | ASKS, reply: nameList }),
  command({ name: 'listnodes', cmd: 9 | ASKS, reply: nameList }),
  command({ name: 'listtypes', cmd: 10 | ASKS, reply: typeList }),
  command({ name: 'textstatus', cmd: 11 | ASKS, reply: string }),
  command({ name: 'binary2ascii', cmd: 12 | ASKS, args: ngMesg, reply: ngMesg }),
  command({ name: 'ascii2binary', cmd: 13 | ASKS, args: ngMesg, reply: ngMesg }),
  command({ name: 'textconfig', cmd: 14, args: string, reply: string }),
];
