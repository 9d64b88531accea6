// FPM while tens of thousands of routes come and go: the peer stops reading in the middle, reads on, goes and comes back. What it
// heard is taken apart by tshark, which nobody here has written, and is what `ip -j` shows.
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { formatPrefix, makePrefix } from '../../src/net/index.ts';
import { unframe } from '../dataplane/fpm-world.ts';
import { type Daemon, startGrevy } from '../lib/daemons.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

const PEER = resolve(import.meta.dirname, 'fpm-peer.ts');
/** More than the output of FPM, and what the kernel keeps of a connection, hold. */
const COUNT = 40_000;
const TCP_BYTES = '4096 16384 65536';
const [RTM_NEWROUTE, RTM_DELROUTE] = ['24', '25'];
const [RTA_DST, RTA_GATEWAY, RTA_OIF, RTA_NH_ID] = ['1', '5', '4', '30'];
const RTN_UNICAST = 1;
/** Less than FRR's, and than what FPM may hold of contexts. */
const LIMIT = 100;
/** Static routes and the connected one. */
const OURS = 52;

const FIELDS = [
  'netlink-route.nltype',
  'netlink-route.rt_family',
  'netlink-route.rt_dst_len',
  'netlink-route.rt_type',
  'netlink-route.rta_attr_type',
  'netlink.attr_data',
  'netlink-route.rta_oif',
  '_ws.malformed',
];

interface Status {
  readonly inStep: boolean;
  readonly sentBytes: number;
}

interface Feed {
  readonly state: string;
  readonly outstanding: number;
  readonly dirty: number;
}

type Counters = Readonly<Record<string, number>>;

/** A file with so many static routes besides the first. */
function configuration(settings: string, more = 0): string {
  const routes = Array.from({ length: 50 }, (_, i) => `ip route 20.0.${i}.0/24 10.1.0.${2 + (i % 3)}`);
  routes.push('ip route 20.0.1.0/24 10.1.0.9', 'ip route 21.0.0.0/8 blackhole');
  for (let i = 0; i < more; i++) {
    routes.push(`ip route 40.${i >> 8}.${i & 255}.0/24 10.1.0.${2 + (i % 3)}`);
    if (i % 100 === 0) routes.push(`ip route 40.${i >> 8}.${i & 255}.0/24 10.1.0.${9 + (i % 7)}`);
  }
  return `fpm address 127.0.0.1\n${settings}\n${routes.join('\n')}\n`;
}

/** The messages as a capture of LINKTYPE_NETLINK. */
function pcap(messages: readonly Buffer[]): Buffer {
  const words = (...values: number[]): Buffer => Buffer.from(Uint32Array.from(values).buffer);
  // Of each packet: to nobody in particular, ARPHRD_NETLINK, no address, NETLINK_ROUTE.
  const cooked = Buffer.alloc(16);
  cooked.writeUInt16BE(4, 0);
  cooked.writeUInt16BE(824, 2);
  const packets = messages.flatMap(message => {
    const bytes = cooked.length + message.length;
    return [words(0, 0, bytes, bytes), cooked, message];
  });
  return Buffer.concat([words(0xa1b2c3d4, 0x0004_0002, 0, 0, 0x1_0000, 253), ...packets]);
}

/** Whose way is which: `nhid N`, `ADDRESS in hexadecimal, interface N`, or the type of one that leads nowhere. */
type Ways = Map<string, string>;

/** The table of who heard these messages, by tshark. */
function heardBy(file: string): Ways {
  const fields = FIELDS.flatMap(field => ['-e', field]);
  const text = execFileSync('tshark', ['-r', file, '-T', 'fields', ...fields], {
    encoding: 'utf8',
    stdio: 'pipe',
    maxBuffer: 1 << 28,
  });
  const ways: Ways = new Map();
  for (const line of text.split('\n')) {
    const [message, family, length, type, attributes = '', data = '', oif, malformed] = line.split('\t');
    assert.ok(!malformed, line);
    if (message !== RTM_NEWROUTE && message !== RTM_DELROUTE) continue;
    // It shows the interface as a number, and the bytes of all others.
    const bytes = data.split(',');
    const values = new Map(
      attributes.split(',').map(one => [one, one === RTA_OIF ? oif! : (bytes.shift() ?? '')] as const),
    );
    const words = [0, 8, 16, 24].map(at => Number.parseInt(values.get(RTA_DST)?.slice(at, at + 8) || '0', 16));
    const prefix = formatPrefix(
      makePrefix(Number(family) as 2 | 10, words as [number, number, number, number], Number(length)),
    );
    if (message === RTM_DELROUTE) ways.delete(prefix);
    else if (values.has(RTA_NH_ID))
      ways.set(prefix, `nhid ${Buffer.from(values.get(RTA_NH_ID)!, 'hex').readUInt32LE()}`);
    else if (Number(type) === RTN_UNICAST) ways.set(prefix, `${values.get(RTA_GATEWAY) ?? ''} ${values.get(RTA_OIF)}`);
    else ways.set(prefix, `type ${Number(type)}`);
  }
  return ways;
}

describe('FPM under load, the whole daemon', { timeout: 180_000 }, () => {
  const lab = new Lab();
  let ns: Namespace;
  let grevy: Daemon;
  let peer: ChildProcess;
  let directory: string;

  /** The same of the kernel. */
  async function inKernel(): Promise<Ways> {
    const links = await ns.ipJson<{ ifname: string; ifindex: number }[]>('link');
    const index = new Map(links.map(({ ifname, ifindex }) => [ifname, ifindex]));
    const routes = await ns.ipJson<
      { dst: string; type?: string; nhid?: number; gateway?: string; dev?: string; protocol: string }[]
    >('-4', '-N', 'route');
    return new Map(
      routes.map(({ dst, type, nhid, gateway, dev }) => {
        const hex = gateway === undefined ? '' : Buffer.from(gateway.split('.').map(Number)).toString('hex');
        const unicast = type === undefined || Number(type) === RTN_UNICAST;
        const way = unicast ? `${hex} ${index.get(dev ?? '')}` : `type ${type}`;
        return [dst.includes('/') ? dst : `${dst}/32`, nhid === undefined ? way : `nhid ${nhid}`];
      }),
    );
  }

  const json = async <T>(command: string): Promise<T> => JSON.parse(await grevy.sh(`${command} json`)) as T;
  const say = (word: string): void => void peer.stdin!.write(`${word}\n`);
  const configure = (...lines: string[]): Promise<string> =>
    grevy.sh(['configure terminal', ...lines, 'end'].join('\n'));

  async function batch(verb: string, from: number, to: number): Promise<void> {
    const file = join(await lab.directory(), 'batch');
    const lines = Array.from(
      { length: to - from },
      (_, i) => `route ${verb} 30.${(from + i) >> 8}.${(from + i) & 255}.0/24 via 10.1.0.${2 + (i % 7)}`,
    );
    writeFileSync(file, `${lines.join('\n')}\n`);
    await ns.run('ip', '-batch', file);
  }

  /** Waits until the peer has everything, over the nth connection, and compares. */
  async function agrees(connection: number, count: number): Promise<void> {
    const file = join(directory, String(connection));
    let seen = '';
    await until(
      async () => {
        const { inStep, sentBytes } = await json<Status>('show fpm status');
        const feed = Object.values(await json<Record<string, Feed>>('show zebra feed'))[0];
        seen = `${JSON.stringify(feed)} ${inStep} ${sentBytes} ${readdirSync(directory).join()}`;
        const told = inStep && feed?.state === 'following' && feed.outstanding === 0 && feed.dirty === 0;
        return told && statSync(file, { throwIfNoEntry: false })?.size === sentBytes;
      },
      { timeoutMs: 60_000, what: () => `the peer to have everything: ${seen}` },
    );
    const { messages, rest } = unframe(readFileSync(file));
    assert.equal(rest.length, 0, 'whole frames');
    const capture = join(await lab.directory(), 'heard.pcap');
    writeFileSync(capture, pcap(messages));
    const [heard, kernel] = [heardBy(capture), await inKernel()];
    assert.equal(kernel.size, count);
    const wrong = [...new Set([...heard.keys(), ...kernel.keys()])]
      .filter(prefix => heard.get(prefix) !== kernel.get(prefix))
      .map(prefix => `${prefix}: heard ${heard.get(prefix)}, kernel ${kernel.get(prefix)}`);
    assert.deepEqual(wrong.slice(0, 10), [], `${wrong.length} routes`);
  }

  before(async () => {
    ns = await lab.namespace('load');
    await ns.run('ip', 'link', 'add', 'd0', 'type', 'veth', 'peer', 'name', 'e0');
    for (const link of ['d0', 'e0']) {
      await ns.run('ip', 'link', 'set', link, 'addrgenmode', 'none');
      await ns.run('ip', 'link', 'set', link, 'up');
    }
    await ns.run('ip', 'addr', 'add', '10.1.0.1/24', 'dev', 'd0');
    for (const name of ['tcp_wmem', 'tcp_rmem'])
      await ns.run('sh', '-c', `echo ${TCP_BYTES} > /proc/sys/net/ipv4/${name}`);
    directory = join(await lab.directory(), 'heard');
    mkdirSync(directory);
    peer = ns.spawn([process.execPath, PEER, directory], { stdio: ['pipe', 'inherit', 'inherit'] });
    grevy = await startGrevy(lab, ns, configuration(`zebra dplane limit ${LIMIT}`));
  });
  after(() => lab.close());

  test('a peer that stops reading keeps nobody busy and delays nobody, whatever the limit of the queue', async () => {
    await agrees(1, OURS);
    say('stop');
    await batch('add', 0, COUNT);
    await until(async () => (await json<Counters>('show fpm counters'))['buffer-full-hits']! > 0, {
      what: 'the output is full',
    });
    let feed = '';
    await until(async () => /outstanding [1-9]\d\d/.test((feed = await grevy.sh('show zebra feed'))), {
      what: () => `the follower to have as much as it may: ${feed}`,
    });
    // There is no more of the queue than that; what is asked of the kernel goes nevertheless.
    await configure('ip route 33.0.0.0/8 10.1.0.5', 'no ip route 20.0.0.0/24 10.1.0.2');
    await until(
      async () => {
        const kernel = await inKernel();
        return kernel.has('33.0.0.0/8') && !kernel.has('20.0.0.0/24');
      },
      { what: 'the change to be in the kernel' },
    );
    assert.match(await grevy.sh('show zebra feed'), /outstanding [1-9]\d\d/);
    const counters = await json<Counters>('show fpm counters');
    assert.equal(counters['connection-closes']! + counters['connection-errors']!, 0, 'and the peer still stands');
    const ticks = (): number => {
      const fields = readFileSync(`/proc/${grevy.pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
      return Number(fields[11]) + Number(fields[12]);
    };
    let share = 1;
    await until(
      async () => {
        const [startMs, start] = [performance.now(), ticks()];
        await until(() => performance.now() - startMs > 300, { what: 'a third of a second' });
        share = ((ticks() - start) * 10) / (performance.now() - startMs);
        return share < 0.2;
      },
      { what: () => `the daemon to rest; it takes ${share} of a processor`, timeoutMs: 5000 },
    );
    say('read');
    await agrees(1, OURS + COUNT);
  });

  test('one that goes while routes go, and comes back, has what is left', async () => {
    say('close');
    await Promise.all([batch('del', 0, COUNT / 2), configure('no ip route 33.0.0.0/8 10.1.0.5')]);
    await until(() => readdirSync(directory).includes('2'), { what: 'the daemon to connect again' });
    await agrees(2, OURS - 1 + COUNT / 2);
  });

  test('routes go in and out whatever the limit of the queue and of a send; a file of many is read at once', async () => {
    const load = async (settings: string, more: number): Promise<void> => {
      writeFileSync(join(grevy.directory, 'grevy.conf'), configuration(settings, more));
      process.kill(grevy.pid, 'SIGHUP');
      let size = 0;
      await until(async () => (size = (await inKernel()).size) === OURS + COUNT / 2 + more, {
        what: () => `${more} static routes with ${settings}: ${size - OURS - COUNT / 2}; ${grevy.output()}`,
      });
    };
    await load('zebra dplane limit 1', 2000);
    await load('zebra dplane limit 0\nzebra kernel netlink batch-tx-buf 1 1', 4000);
    await load('zebra dplane limit 10000\nzebra kernel netlink batch-tx-buf 1048576 1048576', COUNT);
    await agrees(2, OURS + COUNT / 2 + COUNT);
    const { routeUpdateErrors, nexthopUpdateErrors } = await json<Counters>('show zebra dplane');
    assert.deepEqual([routeUpdateErrors, nexthopUpdateErrors], [0, 0]);
  });
});
