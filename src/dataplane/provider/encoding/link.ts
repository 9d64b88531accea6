// Links: what is set of one, those that Grevy makes and takes away, and what the kernel tells.
import { type LinkData, rtnetlink as c, writeLink } from '../../../netlink/index.ts';
import type { LinkDetail } from '../../context.ts';
import { type Encode, type Encoding, few, judgeAsIs, judgeDelete, type Told, toldAs, written } from './encoding.ts';

export const set: Encoding = {
  bytes: few,
  encode: written((pool, handle, writer, sequence) => {
    const { ifindex, flags, change, mtu, mac, master } = pool.linkChange(handle);
    writeLink(writer, c.RTM_NEWLINK, 0, sequence, {
      ifindex,
      flags,
      change,
      ...(mtu === undefined ? {} : { mtu }),
      ...(mac === undefined ? {} : { address: mac }),
      ...(master === undefined ? {} : { master }),
    });
  }),
  judge: judgeAsIs,
};

/** By kind, what of the context's detail the kernel wants to know of it. */
function linkData({ kind, kindId, tunnelLocal, tunnelRemote, tunnelLink }: LinkDetail): LinkData | undefined {
  const tunnel = {
    ...(tunnelLocal === 0 ? {} : { local: tunnelLocal }),
    ...(tunnelRemote === 0 ? {} : { remote: tunnelRemote }),
    ...(tunnelLink === 0 ? {} : { lower: tunnelLink }),
  };
  if (kind === 'vrf') return { table: kindId };
  if (kind === 'vlan') return { vlan: kindId };
  if (kind === 'bridge') return kindId === 0 ? undefined : { vlanFiltering: kindId };
  if (kind === 'vxlan') return { vni: kindId, ...tunnel };
  return Object.keys(tunnel).length === 0 ? undefined : tunnel;
}

const encodeCreate: Encode = written((pool, handle, writer, sequence) => {
  const { name, flags, mtu, mac, link, master, detail } = pool.link(handle);
  const data = linkData(detail);
  writeLink(writer, c.RTM_NEWLINK, c.NLM_F_CREATE | c.NLM_F_EXCL, sequence, {
    name,
    flags: flags & c.IFF_UP,
    change: flags & c.IFF_UP,
    ...(mtu === 0 ? {} : { mtu }),
    ...(mac.length === 0 ? {} : { address: mac }),
    ...(link === 0 ? {} : { link }),
    ...(master === 0 ? {} : { master }),
    info: { kind: detail.kind, ...(data === undefined ? {} : { data }) },
  });
});

const encodeDelete: Encode = written((pool, handle, writer, sequence) => {
  const { ifindex, name } = pool.link(handle);
  writeLink(writer, c.RTM_DELLINK, 0, sequence, ifindex === 0 ? { name } : { ifindex });
});

/** A name that is taken is an error, whoever has it: what Grevy creates is new. */
export const create: Encoding = { bytes: few, encode: encodeCreate, judge: judgeAsIs, undo: encodeDelete };
export const remove: Encoding = { bytes: few, encode: encodeDelete, judge: judgeDelete };

const encodeTold: Encode = written((pool, handle, writer, sequence) => {
  const link = pool.link(handle);
  const { kind, protoDown, protoDownReasons, alias } = link.detail;
  const data = linkData(link.detail);
  writeLink(writer, c.RTM_NEWLINK, 0, sequence, {
    ifindex: link.ifindex,
    hardwareType: link.hardwareType,
    flags: link.flags,
    name: link.name,
    mtu: link.mtu,
    operState: link.operState,
    ...(link.mac.length === 0 ? {} : { address: link.mac }),
    ...(link.link === 0 ? {} : { link: link.link }),
    ...(link.master === 0 ? {} : { master: link.master }),
    ...(protoDown ? { protoDown: 1, protoDownReason: { value: protoDownReasons } } : {}),
    ...(alias === '' ? {} : { alias }),
    ...(kind === '' ? {} : { info: { kind, ...(data === undefined ? {} : { data }) } }),
  });
});

export const told: Told = toldAs(c.RTM_NEWLINK, c.RTM_DELLINK, few, encodeTold);
