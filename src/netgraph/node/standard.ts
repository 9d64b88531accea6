// The node types that every graph has.
import type { NodeType } from '../graph/type.ts';
import { arp } from './arp.ts';
import { bpf } from './bpf.ts';
import { bridge } from './bridge.ts';
import { capture } from './capture.ts';
import { car } from './car.ts';
import { checksum } from './checksum.ts';
import { counter } from './counter.ts';
import { echo } from './echo.ts';
import { eiface } from './eiface.ts';
import { etf } from './etf.ts';
import { ether } from './ether.ts';
import { fib4 } from './fib4.ts';
import { fib6 } from './fib6.ts';
import { hole } from './hole.ts';
import { hub } from './hub.ts';
import { iface } from './iface.ts';
import { ipfrag } from './ipfrag.ts';
import { ipfwd } from './ipfwd.ts';
import { ksocket } from './ksocket.ts';
import { macfilter } from './macfilter.ts';
import { nat } from './nat.ts';
import { nd } from './nd.ts';
import { netflow } from './netflow.ts';
import { one2many } from './one2many.ts';
import { patch } from './patch.ts';
import { pipe } from './pipe.ts';
import { socket } from './socket.ts';
import { source } from './source.ts';
import { split } from './split.ts';
import { tag } from './tag.ts';
import { tcpmss } from './tcpmss.ts';
import { tee } from './tee.ts';
import { vlan } from './vlan.ts';
import { vlanRotate } from './vlan_rotate.ts';

export const standardTypes: readonly NodeType[] = [
  arp,
  bpf,
  bridge,
  capture,
  car,
  checksum,
  counter,
  echo,
  eiface,
  etf,
  ether,
  fib4,
  fib6,
  hole,
  hub,
  iface,
  ipfrag,
  ipfwd,
  ksocket,
  macfilter,
  nat,
  nd,
  netflow,
  one2many,
  patch,
  pipe,
  socket,
  source,
  split,
  tag,
  tcpmss,
  tee,
  vlan,
  vlanRotate,
];
