// `show zebra client`, in FRR's words. The JSON form is ours: FRR 8.4.4 has none.
import { AF_INET } from '../../net/index.ts';
import { type Command, exec } from '../../vty/index.ts';
import { routeTypeName } from '../route-type.ts';
import { formatUptime } from '../show/uptime.ts';
import type { ZapiServer } from './server.ts';
import type { Session } from './session.ts';

function ago(sinceMs: number, nowMs: number): string {
  return sinceMs === 0 ? 'never' : formatUptime((nowMs - sinceMs) / 1000);
}

function summary(server: ZapiServer): string {
  const now = server.now();
  const lines = [
    'Name      Connect Time    Last Read  Last Write      IPv4 Routes           IPv6 Routes',
    '-'.repeat(90),
  ];
  for (const one of server.sessions) {
    const { out } = one;
    const { ip4, ip6 } = one.stats;
    const time = (ms: number, width: number): string => ago(ms, now).padStart(width);
    const times = `${time(one.connectedMs, 12)}${time(one.lastReadMs, 13)}${time(out.lastWriteMs, 12)}`;
    const routes = (count: { add: number; update: number; delete: number }): string =>
      `${String(count.add + count.update).padStart(11)}/${String(count.delete).padEnd(10)}`;
    lines.push(`${one.name.padEnd(10)}${times}${routes(ip4)}${routes(ip6)}`);
  }
  lines.push('Routes column shows (added+updated)/deleted');
  return `${lines.join('\n')}\n`;
}

function* detail(server: ZapiServer): Generator<string> {
  const now = server.now();
  for (const one of server.sessions) {
    const { stats, out } = one;
    const kept = server.zebra.keptFor(one.owner);
    const labels = server.labels.of(one).map(({ start, end }) => `${start}-${end}`);
    const lines = [
      `Client: ${one.name}${one.instance === 0 ? '' : ` Instance: ${one.instance}`}${one.sessionId === 0 ? '' : ` [${one.sessionId}]`}`,
      '------------------------',
      `Session: ${one.id}${one.synchronous ? ' (synchronous)' : ''}`,
      `Connect Time: ${ago(one.connectedMs, now)}`,
    ];
    if (one.nexthops.registeredMs > 0) {
      lines.push(
        `Nexthop Registry Time: ${ago(one.nexthops.registeredMs, now)}`,
        `Nexthop Last Update Time: ${ago(one.nexthops.toldMs, now)}`,
      );
    } else lines.push('Not registered for Nexthop Updates');
    lines.push(
      `Client will ${one.notify ? '' : 'Not '}be notified about it's routes status`,
      `Last Msg Rx Time: ${ago(one.lastReadMs, now)}`,
      `Last Msg Tx Time: ${ago(out.lastWriteMs, now)}`,
      `Last Rcvd Cmd: ZEBRA_${one.lastCommand}`,
      `Last Sent Cmd: ZEBRA_${out.lastCommand}`,
      '',
      'Type        Add         Update      Del',
      '==================================================',
    );
    for (const [name, count] of [
      ['IPv4', stats.ip4],
      ['IPv6', stats.ip6],
      ['Redist:v4', stats.redistribute4],
      ['Redist:v6', stats.redistribute6],
      ['VRF', stats.vrfs],
      ['Connected', stats.interfaces],
      ['Interface', stats.states],
      ['Intf Addr', stats.addresses],
      ['NHT v4', stats.nexthops4],
      ['NHT v6', stats.nexthops6],
    ] as const) {
      const columns = [count.add, count.update, count.delete].map(n => String(n).padEnd(12)).join('');
      lines.push(`${name.padEnd(12)}${columns}`.trimEnd());
    }
    lines.push(
      `Errors: ${stats.faults}`,
      '',
      `Messages in: ${stats.framesIn} (${stats.bytesIn} bytes), unknown: ${stats.unknown}, refused routes: ${stats.refused}`,
      `Messages out: ${out.frames} (${out.bytes} bytes), waiting: ${out.waiting}, high-water mark: ${out.highWater}`,
      `Reading: ${one.paused ? 'paused' : 'yes'}, pauses: ${stats.pauses}`,
      `Stale routes are kept: ${one.retainMs / 1000} s`,
      ...(labels.length > 0 ? [`Labels: ${labels.join(', ')}`] : []),
      ...(kept > 0 ? [`Earlier routes kept: ${kept}`] : []),
      '',
      '',
    );
    yield `${lines.join('\n')}\n`;
  }
}

function json(server: ZapiServer, one: Session): object {
  const { stats, out } = one;
  const seconds = (ms: number): number => Math.floor((server.now() - ms) / 1000);
  return {
    name: one.name,
    instance: one.instance,
    session: one.sessionId,
    synchronous: one.synchronous,
    connectTimeSecs: seconds(one.connectedMs),
    lastReadSecs: one.lastReadMs === 0 ? undefined : seconds(one.lastReadMs),
    lastWriteSecs: out.lastWriteMs === 0 ? undefined : seconds(out.lastWriteMs),
    routeNotifications: one.notify,
    lastReceivedCommand: one.lastCommand,
    lastSentCommand: out.lastCommand,
    ipv4Routes: stats.ip4,
    ipv6Routes: stats.ip6,
    redistributedIpv4: stats.redistribute4,
    redistributedIpv6: stats.redistribute6,
    redistribute: one.redistributed.types.map(({ vrf, family, type }) => ({
      vrfId: vrf,
      afi: family === AF_INET ? 'ipv4' : 'ipv6',
      type: type < 0 ? 'default' : type === 0 ? 'all' : routeTypeName(type),
    })),
    trackedNexthops: one.nexthops.size,
    messagesIn: stats.framesIn,
    bytesIn: stats.bytesIn,
    messagesOut: out.frames,
    bytesOut: out.bytes,
    waitingBytes: out.waiting,
    highWaterBytes: out.highWater,
    unknownMessages: stats.unknown,
    malformedMessages: stats.faults,
    refusedRoutes: stats.refused,
    readingPaused: one.paused,
    pauses: stats.pauses,
    staleTimeSecs: one.retainMs / 1000,
    labelChunks: server.labels.of(one),
    earlierRoutesKept: server.zebra.keptFor(one.owner),
  };
}

/** The commands about clients, for zebra's table; `of` finds the server in the table's state. */
export function clientCommands<State>(of: (state: State) => ZapiServer): Command<State>[] {
  return [
    exec({
      syntax: 'show zebra client [summary] [json]',
      help: [
        'Show running system information',
        'Zebra information',
        'Client information',
        'One line for each client',
        'JavaScript Object Notation',
      ],
      run: (state: State, args) => {
        const server = of(state);
        if (args.json) return { clients: [...server.sessions].map(one => json(server, one)) };
        return args.summary ? summary(server) : detail(server);
      },
    }),
  ];
}
