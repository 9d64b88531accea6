// `show zebra dplane` and its kin: FRR's lines first, then what only this dataplane knows. `show dplane …` is the same.
import { HandleRing } from '../concurrency/index.ts';
import { type Command, type CommandSet, commandSet, exec } from '../vty/index.ts';
import { ContextPool } from './context.ts';
import type { Dataplane } from './dataplane.ts';
import type { ProviderCounters } from './provider.ts';

const HELP = {
  show: 'Show running system information',
  zebra: 'Zebra information',
  dplane: 'Dataplane information',
  providers: 'Dataplane providers',
  detailed: 'Detailed output',
  json: 'JavaScript Object Notation',
} as const;

function line(label: string, value: number | string): string {
  return `${`${label}:`.padEnd(26)}${value}\n`;
}

function sum(counts: Readonly<Record<string, number>>, names: readonly string[]): number {
  return names.reduce((total, name) => total + (counts[name] ?? 0), 0);
}

const OTHERS = ['link', 'neighbor', 'rule', 'other'];

function* summary(dataplane: Dataplane, detailed: boolean): Generator<string> {
  const { pipeline, channel } = dataplane;
  const { updates, errors, yields, cycles, latencyMeanUs, latencyMaxUs } = pipeline.stats;
  const down = HandleRing.stats(channel.down);
  yield 'Zebra dataplane:\n';
  yield line('Route updates', updates.route);
  yield line('Route update errors', errors.route);
  yield line('Nexthop updates', updates.nexthop);
  yield line('Nexthop update errors', errors.nexthop);
  yield line('Other errors', sum(errors, OTHERS));
  yield line('Route update queue limit', down.capacity);
  yield line('Route update queue depth', down.length);
  yield line('Route update queue max', down.highWater);
  yield line('Dplane update yields', yields);
  yield line('Intf addr updates', updates.address);
  yield line('Intf addr errors', errors.address);
  yield line('Intf change updates', updates.link);
  yield line('Intf change errors', errors.link);
  yield line('Rule updates', updates.rule);
  yield line('Rule errors', errors.rule);
  if (!detailed) return;
  const kernel = dataplane.kernel.stats;
  const listener = dataplane.listener.stats;
  const requests = ContextPool.stats(channel.requests);
  const notifications = ContextPool.stats(channel.notifications);
  yield '\nKernel provider:\n';
  yield line('Batches', kernel.batches);
  yield line('Messages', kernel.messages);
  yield line('Bytes', kernel.bytes);
  yield line('Time in the kernel', `${(kernel.busyUs / 1000).toFixed(1)} ms`);
  yield line('Messages a batch, limit', kernel.batchLimit);
  yield line('Batches retried', kernel.retries);
  yield line('Batches in doubt', kernel.doubts);
  yield line('Last error', kernel.lastError === '' ? '-' : kernel.lastError);
  yield '\nKernel listener:\n';
  yield line('Datagrams', listener.datagrams);
  yield line('Messages', listener.messages);
  yield line('Notifications', listener.notifications);
  yield line('Overruns', listener.overruns);
  yield line('Dumps', listener.dumps);
  yield line('Dumps interrupted', listener.interruptions);
  yield line('Waits for zebra', listener.waits);
  yield line('Dropped', listener.dropped);
  yield '\nContexts:\n';
  for (const [label, pool] of [
    ['Requests', requests],
    ['Notifications', notifications],
  ] as const) {
    yield line(label, `${pool.inUse} in use, max ${pool.highWater}, limit ${pool.limit}, refused ${pool.refused}`);
  }
  yield line('Cycles', cycles);
  yield line('Latency', `mean ${latencyMeanUs.toFixed(0)} us, max ${latencyMaxUs.toFixed(0)} us`);
}

function summaryJson(dataplane: Dataplane, detailed: boolean): object {
  const { pipeline, channel, kernel, listener } = dataplane;
  const { updates, errors, yields, cycles, latencyMeanUs, latencyMaxUs } = pipeline.stats;
  const down = HandleRing.stats(channel.down);
  const basic = {
    routeUpdates: updates.route,
    routeUpdateErrors: errors.route,
    nexthopUpdates: updates.nexthop,
    nexthopUpdateErrors: errors.nexthop,
    otherErrors: sum(errors, OTHERS),
    routeUpdateQueueLimit: down.capacity,
    routeUpdateQueueDepth: down.length,
    routeUpdateQueueMax: down.highWater,
    dplaneUpdateYields: yields,
    intfAddrUpdates: updates.address,
    intfAddrErrors: errors.address,
    intfChangeUpdates: updates.link,
    intfChangeErrors: errors.link,
    ruleUpdates: updates.rule,
    ruleErrors: errors.rule,
  };
  if (!detailed) return basic;
  return {
    ...basic,
    cycles,
    latencyMeanUs: Math.round(latencyMeanUs),
    latencyMaxUs: Math.round(latencyMaxUs),
    kernel: kernel.stats,
    listener: listener.stats,
    requests: ContextPool.stats(channel.requests),
    notifications: ContextPool.stats(channel.notifications),
    rings: {
      down,
      results: HandleRing.stats(channel.results),
      up: HandleRing.stats(channel.up),
      back: HandleRing.stats(channel.back),
    },
  };
}

function providerLine(provider: ProviderCounters, detailed: boolean): string {
  const { name, id, inQueue, inMax, out, outQueue, outMax } = provider;
  const head = `  ${name} (${id}): in: ${provider.in}, q: ${inQueue}, q_max: ${inMax}, out: ${out}, q: ${outQueue}, q_max: ${outMax}\n`;
  if (!detailed) return head;
  return `${head}    priority: ${provider.priority}, errors: ${provider.errors}, yields: ${provider.yields}\n`;
}

function* providers(dataplane: Dataplane, detailed: boolean): Generator<string> {
  const down = HandleRing.stats(dataplane.channel.down);
  const results = HandleRing.stats(dataplane.channel.results);
  yield `dataplane Incoming Queue from Zebra: ${down.length}, q_max: ${down.highWater}\n`;
  yield 'Zebra dataplane providers:\n';
  for (const provider of dataplane.pipeline.providers) yield providerLine(provider, detailed);
  yield `dataplane Outgoing Queue to Zebra: ${results.length}, q_max: ${results.highWater}\n`;
}

function providersJson(dataplane: Dataplane): object {
  return {
    incomingQueue: HandleRing.stats(dataplane.channel.down),
    providers: dataplane.pipeline.providers,
    outgoingQueue: HandleRing.stats(dataplane.channel.results),
  };
}

const commands: readonly Command<Dataplane>[] = [
  exec({
    syntax: 'show zebra dplane [detailed$detailed] [json$json]',
    help: [HELP.show, HELP.zebra, HELP.dplane, HELP.detailed, HELP.json],
    run: (dataplane: Dataplane, args) =>
      args.json ? summaryJson(dataplane, Boolean(args.detailed)) : summary(dataplane, Boolean(args.detailed)),
  }),
  exec({
    syntax: 'show zebra dplane providers [detailed$detailed] [json$json]',
    help: [HELP.show, HELP.zebra, HELP.dplane, HELP.providers, HELP.detailed, HELP.json],
    run: (dataplane: Dataplane, args) =>
      args.json ? providersJson(dataplane) : providers(dataplane, Boolean(args.detailed)),
  }),
  exec({
    syntax: 'show dplane [detailed$detailed] [json$json]',
    help: [HELP.show, HELP.dplane, HELP.detailed, HELP.json],
    run: (dataplane: Dataplane, args) =>
      args.json ? summaryJson(dataplane, Boolean(args.detailed)) : summary(dataplane, Boolean(args.detailed)),
  }),
  exec({
    syntax: 'show dplane providers [detailed$detailed] [json$json]',
    help: [HELP.show, HELP.dplane, HELP.providers, HELP.detailed, HELP.json],
    run: (dataplane: Dataplane, args) =>
      args.json ? providersJson(dataplane) : providers(dataplane, Boolean(args.detailed)),
  }),
];

/** Commands that run in the dataplane thread. */
export const dataplaneCommands: CommandSet<Dataplane> = commandSet<Dataplane>('dplane', commands);
