// What `show zebra dplane` and its kin say: FRR's lines first, then what only this dataplane knows.
import { HandleRing, type PoolStats } from '../concurrency/index.ts';
import { DataplanePage } from './channel.ts';
import { ContextPool } from './context.ts';
import type { Dataplane } from './dataplane.ts';
import type { OperationClass } from './operation.ts';
import type { ProviderCounters } from './provider.ts';

function line(label: string, value: number | string): string {
  return `${`${label}:`.padEnd(26)}${value}\n`;
}

function sum(counts: Readonly<Record<OperationClass, number>>, names: readonly OperationClass[]): number {
  return names.reduce((total, name) => total + counts[name], 0);
}

/** What FRR counts as other errors, since it has no line for them. */
const OTHERS: readonly OperationClass[] = ['other'];

/** Requests that zebra may have under way. */
function limitOf(dataplane: Dataplane): number {
  return new DataplanePage(dataplane.channel.page).limit || HandleRing.stats(dataplane.channel.down).capacity;
}

export function* showDataplane(dataplane: Dataplane, detailed: boolean): Generator<string> {
  const { pipeline, channel } = dataplane;
  const { updates, errors, yields, cycles, latencyMeanUs, latencyMaxUs } = pipeline.stats;
  const down = HandleRing.stats(channel.down);
  const kernel = dataplane.kernel.stats;
  yield 'Zebra dataplane:\n';
  yield line('Route updates', updates.route);
  yield line('Route update errors', errors.route);
  yield line('Nexthop updates', updates.nexthop);
  yield line('Nexthop update errors', errors.nexthop);
  yield line('Other errors', sum(errors, OTHERS));
  yield line('Route update queue limit', limitOf(dataplane));
  yield line('Route update queue depth', down.length);
  yield line('Route update queue max', down.highWater);
  yield line('Dplane update yields', yields);
  yield line('LSP updates', updates.label);
  yield line('LSP update errors', errors.label);
  yield line('Intf addr updates', updates.address);
  yield line('Intf addr errors', errors.address);
  yield line('Intf change updates', updates.link);
  yield line('Intf change errors', errors.link);
  yield line('EVPN MAC updates', updates.fdb);
  yield line('EVPN MAC errors', errors.fdb);
  yield line('EVPN neigh updates', updates.neighbor);
  yield line('EVPN neigh errors', errors.neighbor);
  yield line('Rule updates', updates.rule);
  yield line('Rule errors', errors.rule);
  yield line('Messages per send', kernel.batches === 0 ? '-' : (kernel.messages / kernel.batches).toFixed(1));
  if (!detailed) return;
  const listener = dataplane.listener.stats;
  yield '\nKernel provider:\n';
  yield line('Sends', kernel.batches);
  yield line('Messages', kernel.messages);
  yield line('Bytes', kernel.bytes);
  yield line('Time in the kernel', `${(kernel.busyUs / 1000).toFixed(1)} ms`);
  yield line('Messages a send, limit', kernel.batchLimit);
  yield line('Bytes a send, limit', kernel.bytesLimit);
  yield line('Sends repeated', kernel.retries);
  yield line('Sends in doubt', kernel.doubts);
  yield line('Last error', kernel.lastError === '' ? '-' : kernel.lastError);
  for (const { operation, reason, count, first } of dataplane.kernel.refusals)
    yield `  ${operation}: ${reason}: ${count}, the first ${first}\n`;
  yield '\nKernel listener:\n';
  yield line('Datagrams', listener.datagrams);
  yield line('Messages', listener.messages);
  yield line('Notifications', listener.notifications);
  yield line('Overruns', listener.overruns);
  yield line('Dumps', listener.dumps);
  yield line('Dumps interrupted', listener.interruptions);
  yield line('Waits for zebra', listener.waits);
  yield line('Dropped', listener.dropped);
  yield line('MPLS in the kernel', listener.mpls === undefined ? '-' : listener.mpls ? 'yes' : 'no');
  yield '\n';
  yield line('Cycles', cycles);
  yield line('Latency', `mean ${latencyMeanUs.toFixed(0)} us, max ${latencyMaxUs.toFixed(0)} us`);
}

export function dataplaneJson(dataplane: Dataplane, detailed: boolean): object {
  const { pipeline, channel, kernel, listener } = dataplane;
  const { updates, errors, yields, cycles, latencyMeanUs, latencyMaxUs } = pipeline.stats;
  const down = HandleRing.stats(channel.down);
  const { batches, messages } = kernel.stats;
  const basic = {
    routeUpdates: updates.route,
    routeUpdateErrors: errors.route,
    nexthopUpdates: updates.nexthop,
    nexthopUpdateErrors: errors.nexthop,
    otherErrors: sum(errors, OTHERS),
    routeUpdateQueueLimit: limitOf(dataplane),
    routeUpdateQueueDepth: down.length,
    routeUpdateQueueMax: down.highWater,
    dplaneUpdateYields: yields,
    lspUpdates: updates.label,
    lspUpdateErrors: errors.label,
    intfAddrUpdates: updates.address,
    intfAddrErrors: errors.address,
    intfChangeUpdates: updates.link,
    intfChangeErrors: errors.link,
    evpnMacUpdates: updates.fdb,
    evpnMacErrors: errors.fdb,
    evpnNeighUpdates: updates.neighbor,
    evpnNeighErrors: errors.neighbor,
    ruleUpdates: updates.rule,
    ruleErrors: errors.rule,
    messagesPerSend: batches === 0 ? 0 : messages / batches,
  };
  if (!detailed) return basic;
  return {
    ...basic,
    cycles,
    latencyMeanUs: Math.round(latencyMeanUs),
    latencyMaxUs: Math.round(latencyMaxUs),
    kernel: { ...kernel.stats, refusals: kernel.refusals },
    listener: listener.stats,
    rings: {
      down,
      results: HandleRing.stats(channel.results),
      up: HandleRing.stats(channel.up),
      back: HandleRing.stats(channel.back),
    },
  };
}

function providerText(dataplane: Dataplane, provider: ProviderCounters, detailed: boolean): string {
  const { name, id, inQueue, inMax, out, outQueue, outMax, state } = provider;
  let text = `  ${name} (${id}): in: ${provider.in}, q: ${inQueue}, q_max: ${inMax}, out: ${out}, q: ${outQueue}, q_max: ${outMax}\n`;
  if (state !== 'running') text += `    passed by: ${state}\n`;
  if (!detailed) return text;
  text += `    priority: ${provider.priority}${provider.follower ? ', follower' : ''}, held: ${provider.held}, errors: ${provider.errors}, undone: ${provider.undone} (${provider.undoErrors} failed), yields: ${provider.yields}, restarts: ${provider.restarts}\n`;
  const own = dataplane.pipeline.status(name);
  for (const [key, value] of Object.entries(own ?? {})) text += `    ${key}: ${value === '' ? '-' : String(value)}\n`;
  return text;
}

export function* showProviders(dataplane: Dataplane, detailed: boolean): Generator<string> {
  const down = HandleRing.stats(dataplane.channel.down);
  const results = HandleRing.stats(dataplane.channel.results);
  yield `dataplane Incoming Queue from Zebra: ${down.length}, q_max: ${down.highWater}\n`;
  yield 'Zebra dataplane providers:\n';
  for (const provider of dataplane.pipeline.providers) yield providerText(dataplane, provider, detailed);
  yield `dataplane Outgoing Queue to Zebra: ${results.length}, q_max: ${results.highWater}\n`;
}

export function providersJson(dataplane: Dataplane, detailed: boolean): object {
  const { pipeline, channel } = dataplane;
  const own = (name: string): object => {
    const status = detailed ? pipeline.status(name) : undefined;
    return status === undefined ? {} : { status };
  };
  return {
    incomingQueue: HandleRing.stats(channel.down),
    providers: pipeline.providers.map(provider => ({ ...provider, ...own(provider.name) })),
    outgoingQueue: HandleRing.stats(channel.results),
  };
}

function poolText(label: string, { limit, size, inUse, highWater, refused, slotBytes }: PoolStats): string {
  return `${label} contexts:\n${line('  Size', `${size} of ${limit} (${slotBytes} bytes each)`)}${line('  In use', inUse)}${line('  High-water mark', highWater)}${line('  Refusals', refused)}`;
}

export function showPool({ channel }: Dataplane): string {
  return `${poolText('Request', ContextPool.stats(channel.requests))}${poolText('Notification', ContextPool.stats(channel.notifications))}`;
}

export function poolJson({ channel }: Dataplane): object {
  return { requests: ContextPool.stats(channel.requests), notifications: ContextPool.stats(channel.notifications) };
}
