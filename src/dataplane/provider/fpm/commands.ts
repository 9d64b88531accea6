// FPM's commands, as FRR has them. They run in the dataplane thread.
import { type Command, config, exec } from '../../../vty/index.ts';
import type { Dataplane } from '../../dataplane.ts';
import { FPM_PORT } from './control.ts';
import { COUNTERS, type Counter } from './counters.ts';

const SHOW = 'Show running system information';
const FPM = 'Forwarding Plane Manager';
const JSON_HELP = 'JavaScript Object Notation';
const LABEL_WIDTH = 28;

function line(label: string, value: string | number): string {
  return `${label.padStart(LABEL_WIDTH)}: ${value}\n`;
}

function countersText(values: Readonly<Record<Counter, number>>): string {
  const names = Object.keys(COUNTERS) as Counter[];
  const head = ['FPM counters', '============'].map(text => `${text.padStart(30)}\n`);
  return [...head, ...names.map(name => line(COUNTERS[name], values[name]))].join('');
}

function status(dataplane: Dataplane): Record<string, unknown> {
  const { fpm } = dataplane;
  const { address, port, nexthopGroups, routeReplace } = fpm.config;
  return {
    connected: fpm.status?.['connected'] === true,
    inStep: fpm.status?.['inStep'] === true,
    sentBytes: Number(fpm.status?.['sentBytes'] ?? 0),
    useNHG: nexthopGroups,
    useRouteReplace: routeReplace,
    disabled: address === undefined,
    address: address ?? 'Unknown',
    port,
  };
}

function statusText(dataplane: Dataplane): string {
  const { connected, inStep, sentBytes, useNHG, useRouteReplace, disabled, address, port } = status(dataplane);
  const state = disabled
    ? 'disabled'
    : connected
      ? inStep
        ? 'connected, told everything'
        : 'connected'
      : 'not connected';
  return [
    line('Peer', disabled ? '-' : `${String(address)} port ${String(port)}`),
    line('State', state),
    ...(connected ? [line('Sent since it connected', `${String(sentBytes)} bytes`)] : []),
    line('Nexthop groups', useNHG ? 'yes' : 'no'),
    line('Routes replaced in place', useRouteReplace ? 'yes' : 'no'),
  ].join('');
}

export const fpmCommands: readonly Command<Dataplane>[] = [
  exec({
    syntax: 'show fpm counters [json$json]',
    help: [SHOW, FPM, 'What it counts', JSON_HELP],
    run: (dataplane: Dataplane, args) => {
      const { values } = dataplane.fpm.counters;
      return args.json ? values : countersText(values);
    },
  }),
  exec({
    syntax: 'show fpm status [json$json]',
    help: [SHOW, FPM, 'Whether it is connected, and how it is set', JSON_HELP],
    run: (dataplane: Dataplane, args) => (args.json ? status(dataplane) : statusText(dataplane)),
  }),
  exec({
    syntax: 'clear fpm counters',
    help: ['Reset functions', FPM, 'What it counts'],
    run: (dataplane: Dataplane) => dataplane.fpm.counters.clear(),
  }),
  config({
    mode: 'configure',
    syntax: 'fpm address <A.B.C.D|X:X::X:X>$address [port (1-65535)$port]',
    help: [FPM, 'Where it listens', 'Its IPv4 address', 'Its IPv6 address', 'Its TCP port', 'Port number'],
    key: () => 'fpm address',
    no: ['fpm address'],
    apply: (dataplane: Dataplane, args) => {
      dataplane.fpm.configure({ address: args.address, port: args.port ?? FPM_PORT });
    },
    remove: (dataplane: Dataplane) => dataplane.fpm.configure({ address: undefined, port: FPM_PORT }),
  }),
  config({
    mode: 'configure',
    syntax: 'fpm use-next-hop-groups',
    help: [FPM, 'Tell it next hop groups, and routes that name them'],
    keeps: 'negative',
    apply: (dataplane: Dataplane) => dataplane.fpm.configure({ nexthopGroups: true }),
    remove: (dataplane: Dataplane) => dataplane.fpm.configure({ nexthopGroups: false }),
  }),
  config({
    mode: 'configure',
    syntax: 'fpm use-route-replace',
    help: [FPM, 'Tell it an update in one message that replaces, not in a deletion and an addition'],
    keeps: 'negative',
    apply: (dataplane: Dataplane) => dataplane.fpm.configure({ routeReplace: true }),
    remove: (dataplane: Dataplane) => dataplane.fpm.configure({ routeReplace: false }),
  }),
];
