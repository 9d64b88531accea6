// The notification stream on Node's own loop, with messages as values: for programs that use this room alone.
//
//   const watch = observe({ kinds: KIND_LINK | KIND_ADDRESS }, event => {
//     if (event.what === 'link') console.log(event.gone ? 'gone' : 'there', event.link.name);
//   });
//   ...
//   watch.close();
import { watchFd } from '../sys/index.ts';
import { type AddressMessage, readAddressMessage } from './address.ts';
import { HEADER_BYTES } from './buffer.ts';
import * as c from './constants.ts';
import { type FdbMessage, readFdb } from './fdb.ts';
import { type LinkMessage, readLink } from './link.ts';
import { type NeighborMessage, readNeighbor } from './neighbor.ts';
import { type NetconfMessage, readNetconf } from './netconf.ts';
import { NexthopView } from './nexthop.ts';
import { RouteView } from './route.ts';
import { type RuleMessage, readRule } from './rule.ts';
import { NotificationStream, type StreamOptions, type StreamSink } from './stream.ts';

interface Common {
  /** RTM_DEL…: it is no more. */
  readonly gone: boolean;
  /** An item of a dump rather than an event. */
  readonly dumped: boolean;
}

/** `route` and `nexthop` are views that the next event overwrites. */
export type NetlinkEvent =
  | { readonly what: 'dumpBegin' | 'dumpEnd'; readonly kind: number }
  | (Common & { readonly what: 'link'; readonly link: LinkMessage })
  | (Common & { readonly what: 'address'; readonly address: AddressMessage })
  | (Common & { readonly what: 'neighbor'; readonly neighbor: NeighborMessage })
  | (Common & { readonly what: 'rule'; readonly rule: RuleMessage })
  | (Common & { readonly what: 'route'; readonly route: RouteView })
  | (Common & { readonly what: 'nexthop'; readonly nexthop: NexthopView })
  | (Common & { readonly what: 'netconf'; readonly netconf: NetconfMessage })
  | (Common & { readonly what: 'fdb'; readonly fdb: FdbMessage })
  | (Common & { readonly what: 'label'; readonly route: RouteView });

export interface Observation {
  /** The stream behind it: `resync`, `stats`. */
  readonly stream: NotificationStream;
  /** After `stream.resync`: takes up the work. */
  wake(): void;
  close(): void;
}

/** A sink that turns messages into values for `handler`. Messages of kinds that it does not know are passed over. */
export function eventSink(handler: (event: NetlinkEvent) => void): StreamSink {
  const route = new RouteView();
  const nexthop = new NexthopView();
  return {
    message(type, bytes, offset, length, dumped): void {
      switch (type) {
        case c.RTM_NEWLINK:
        case c.RTM_DELLINK: {
          const link = readLink(bytes, offset, length);
          // AF_BRIDGE messages describe a bridge port; the link itself is told apart from it.
          if (link.family !== c.AF_BRIDGE) handler({ what: 'link', gone: type === c.RTM_DELLINK, dumped, link });
          return;
        }
        case c.RTM_NEWADDR:
        case c.RTM_DELADDR: {
          const address = readAddressMessage(bytes, offset, length);
          handler({ what: 'address', gone: type === c.RTM_DELADDR, dumped, address });
          return;
        }
        case c.RTM_NEWROUTE:
        case c.RTM_DELROUTE:
          if (route.decode(bytes, offset, length) && (route.flags & c.RTM_F_CLONED) === 0) {
            const what = route.family === c.AF_MPLS ? 'label' : 'route';
            handler({ what, gone: type === c.RTM_DELROUTE, dumped, route });
          }
          return;
        case c.RTM_NEWNEXTHOP:
        case c.RTM_DELNEXTHOP:
          if (nexthop.decode(bytes, offset, length)) {
            handler({ what: 'nexthop', gone: type === c.RTM_DELNEXTHOP, dumped, nexthop });
          }
          return;
        case c.RTM_NEWNEIGH:
        case c.RTM_DELNEIGH: {
          const gone = type === c.RTM_DELNEIGH;
          if (bytes[offset + HEADER_BYTES] === c.AF_BRIDGE) {
            handler({ what: 'fdb', gone, dumped, fdb: readFdb(bytes, offset, length) });
          } else handler({ what: 'neighbor', gone, dumped, neighbor: readNeighbor(bytes, offset, length) });
          return;
        }
        case c.RTM_NEWNETCONF:
        case c.RTM_DELNETCONF: {
          const netconf = readNetconf(bytes, offset, length);
          handler({ what: 'netconf', gone: type === c.RTM_DELNETCONF, dumped, netconf });
          return;
        }
        case c.RTM_NEWRULE:
        case c.RTM_DELRULE: {
          const rule = readRule(bytes, offset, length);
          handler({ what: 'rule', gone: type === c.RTM_DELRULE, dumped, rule });
          return;
        }
        default:
      }
    },
    dumpBegin: kind => handler({ what: 'dumpBegin', kind }),
    dumpEnd: kind => handler({ what: 'dumpEnd', kind }),
  };
}

/** Datagrams taken in a row before the loop gets a turn. */
const STEPS = 64;

/** Follows the kernel on this thread's loop until closed. */
export function observe(options: StreamOptions, handler: (event: NetlinkEvent) => void): Observation {
  const stream = new NotificationStream(options);
  const sink = eventSink(handler);
  let closed = false;
  let scheduled = false;
  const run = (): void => {
    scheduled = false;
    let steps = 0;
    while (!closed && steps < STEPS && stream.step(sink)) steps++;
    if (closed) return;
    if (steps === STEPS) {
      wake();
      return;
    }
    const retry = stream.retryInMs(performance.now());
    if (retry >= 0) setTimeout(wake, retry + 1);
  };
  const wake = (): void => {
    if (scheduled || closed) return;
    scheduled = true;
    setImmediate(run);
  };
  const watch = watchFd(stream.socket.fd, { readable: true }, run);
  wake();
  return {
    stream,
    wake,
    close(): void {
      if (closed) return;
      closed = true;
      watch.close();
      stream.close();
    },
  };
}
