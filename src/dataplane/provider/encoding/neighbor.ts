// Neighbours, and bridges' forwarding entries, which are in messages of the same types.
import { familyOf } from '../../../net/index.ts';
import { type FdbMessage, rtnetlink as c, writeFdb, writeNeighbor } from '../../../netlink/index.ts';
import type { FdbValue } from '../../context.ts';
import {
  CREATE,
  CREATE_AND_SAY,
  type Encode,
  type Encoding,
  few,
  judgeInstall,
  overwritingPair,
  type Pair,
  type Told,
  toldAs,
  update,
  written,
} from './encoding.ts';

function message(type: number, flags: number): Encode {
  return written((pool, handle, writer, sequence) => {
    const { address, mac, protocol, extendedFlags, ...told } = pool.neighbor(handle);
    writeNeighbor(writer, type, flags, sequence, {
      ...told,
      destination: address,
      ...(mac.length === 0 ? {} : { mac }),
      ...(protocol === 0 ? {} : { protocol }),
      ...(extendedFlags === 0 ? {} : { extendedFlags }),
    });
  });
}

export const neighbor: Pair = overwritingPair(message(c.RTM_NEWNEIGH, CREATE_AND_SAY), message(c.RTM_DELNEIGH, 0));
const encodeOver: Encode = message(c.RTM_NEWNEIGH, CREATE);
export const neighborUpdate: Encoding = update(few, encodeOver);
export const told: Told = toldAs(c.RTM_NEWNEIGH, c.RTM_DELNEIGH, few, encodeOver);

/** Asks the kernel to find out the hardware address (the state and flags say so); what it does not find goes by itself. */
export const discovery: Encoding = { bytes: few, encode: encodeOver, judge: judgeInstall, passing: true };

// Forwarding entries -----------------------------------------------------------------------------------------------------

/** A group's, or that for whatever is not known, may have several tunnel ends: they are put beside each other. */
function severalEnds({ mac, tunnelFamily }: FdbValue): boolean {
  return tunnelFamily !== 0 && ((mac[0]! & 1) !== 0 || mac.every(byte => byte === 0));
}

function messageOf(value: FdbValue): Partial<FdbMessage> {
  const { mac, vlan, tunnelFamily, tunnel, port, vni, viaIfindex, sourceVni, nexthopId, protocol, extendedFlags } =
    value;
  return {
    ifindex: value.ifindex,
    state: value.state,
    flags: value.flags,
    ...(mac.length === 0 ? {} : { mac }),
    ...(vlan === 0 ? {} : { vlan }),
    ...(tunnelFamily === 0 ? {} : { tunnel: { family: familyOf(tunnelFamily), words: tunnel } }),
    ...(port === 0 ? {} : { port }),
    ...(vni === 0 ? {} : { vni }),
    ...(viaIfindex === 0 ? {} : { viaIfindex }),
    ...(sourceVni === 0 ? {} : { sourceVni }),
    ...(nexthopId === 0 ? {} : { nexthopId }),
    ...(protocol === 0 ? {} : { protocol }),
    ...(extendedFlags === 0 ? {} : { extendedFlags }),
  };
}

/** `flags`: of an entry that takes the place of another. */
function encodeFdb(flags: number): Encode {
  return written((pool, handle, writer, sequence) => {
    const value = pool.fdb(handle);
    const how = severalEnds(value) ? c.NLM_F_CREATE | c.NLM_F_APPEND : flags;
    writeFdb(writer, c.RTM_NEWNEIGH, how, sequence, messageOf(value));
  });
}

export const fdb: Pair = overwritingPair(
  encodeFdb(CREATE_AND_SAY),
  written((pool, handle, writer, sequence) => {
    writeFdb(writer, c.RTM_DELNEIGH, 0, sequence, messageOf(pool.fdb(handle)));
  }),
);
export const fdbUpdate: Encoding = update(few, encodeFdb(CREATE));

const encodeFdbTold: Encode = written((pool, handle, writer, sequence) => {
  const value = pool.fdb(handle);
  const message = messageOf(value);
  writeFdb(writer, c.RTM_NEWNEIGH, 0, sequence, value.master === 0 ? message : { ...message, master: value.master });
});

export const fdbTold: Told = toldAs(c.RTM_NEWNEIGH, c.RTM_DELNEIGH, few, encodeFdbTold);
