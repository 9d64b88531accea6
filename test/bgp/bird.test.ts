// A real peer: BIRD on loopback, looked at with birdc. bgp-io and bgp-ka are real threads here; the bgp thread is this one.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { after, before, test } from 'node:test';
import { type BgpChannels, closeBgpChannels, createBgpChannels } from '../../src/bgp/io/channels.ts';
import { ConnectionTable, KA_LATEST_MS, KA_SENT } from '../../src/bgp/io/table.ts';
import { createTransport } from '../../src/bgp/io/transport.ts';
import type { Listener, SocketAddress, Transport } from '../../src/bgp/io/types.ts';
import type { SessionConfig } from '../../src/bgp/session/types.ts';
import { TaskLoop, Thread } from '../../src/concurrency/index.ts';
import { Lab, runCommand } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';
import { IPV4_UNICAST, IPV6_UNICAST, type Recorder, speaker } from './lib/speaker.ts';

const LOOPBACK: SocketAddress = { family: 2, words: [0x7f000001, 0, 0, 0], port: 0, scopeId: 0 };

const lab = new Lab();
const loop = new TaskLoop('bgp');
let channels: BgpChannels;
let io: Thread;
let ka: Thread;
let transport: Transport;
let listener: Listener;
let birdPort = 0;
let control = '';
let peer: Recorder | undefined;

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise(resolve => server.close(resolve));
  return port;
}

const birdc = (command: string): Promise<string> => runCommand('birdc', ['-s', control, ...command.split(' ')]);

/** BIRD's configuration; `options` go into its protocol. */
const configuration = (options: string, routes = 0): string => `
router id 10.0.0.9;
log stderr { fatal, bug };
protocol device {}
protocol static { ipv4; ${Array.from({ length: routes }, (_, i) => `route 10.${i >> 8}.${i & 255}.0/24 blackhole;`).join('\n')} }
protocol bgp grevy {
  local 127.0.0.1 port ${birdPort} as 65009;
  neighbor 127.0.0.1 port ${listener.local.port} as 65001;
  strict bind yes;
  multihop;
  error wait time 1, 2;
  connect delay time 1;
  connect retry time 2;
  ${options}
  ipv4 { import all; export all; };
}
`;

async function reconfigure(options: string, routes = 0): Promise<void> {
  await writeFile(`${control}.conf`, configuration(options, routes));
  await birdc('configure');
}

before(async () => {
  channels = createBgpChannels();
  const thread = (name: string, path: string, ownLoop: boolean): Promise<Thread> =>
    Thread.start({ name, entry: new URL(`../../src/bgp/${path}/thread.ts`, import.meta.url), data: channels, ownLoop });
  [io, ka] = await Promise.all([thread('bgp-io', 'io', false), thread('bgp-ka', 'keepalive', true)]);
  transport = createTransport(loop, channels);
  let listening = false;
  listener = transport.listen(
    { local: LOOPBACK },
    {
      listening: () => (listening = true),
      failed: failure => assert.fail(failure.code),
      accepted: connection => peer?.session.accept(connection),
    },
  );
  await until(() => listening, { what: 'the listener' });
  birdPort = await freePort();
  control = `${await lab.directory()}/bird.ctl`;
  await writeFile(`${control}.conf`, configuration('disabled;'));
  lab.spawn('bird', ['-f', '-c', `${control}.conf`, '-s', control], { stdio: 'ignore' });
  await until(
    async () => {
      try {
        return await birdc('show status');
      } catch {
        return false;
      }
    },
    { what: 'bird' },
  );
});

after(async () => {
  peer?.session.destroy();
  loop.close();
  await lab.close();
  await io.stop();
  await ka.stop();
  closeBgpChannels(channels);
});

function start(more: Partial<SessionConfig> = {}): Recorder {
  peer?.session.destroy();
  peer = speaker(loop, transport, {
    localAs: 65001,
    remoteAs: 65009,
    routerId: 0x0a000001,
    remote: { ...LOOPBACK, port: birdPort },
    families: [IPV4_UNICAST],
    connectRetryS: 1,
    idleHoldS: 0.1,
    ...more,
  });
  peer.session.start();
  return peer;
}

const established = async (who: Recorder): Promise<void> => {
  await until(() => who.session.state === 'Established', { what: () => `the session, in ${who.session.state}` });
  await until(async () => /Established/.test(await birdc('show protocols grevy')), { what: 'BIRD to agree' });
};

void test('BIRD connects to us, and both agree on what they can do', async () => {
  const us = start({ passive: true });
  await reconfigure('', 300);
  await established(us);
  const all = await birdc('show protocols all grevy');
  assert.match(all, /Neighbor ID: +10\.0\.0\.1/);
  assert.match(all, /4-octet AS numbers/);
  assert.match(all, /Enhanced refresh/);
  const { negotiated } = us.session;
  assert.ok(negotiated && !negotiated.outgoing && negotiated.as4 && negotiated.routeRefresh);
  assert.equal(negotiated.remoteRouterId, 0x0a000009);
  await until(() => us.updates >= 2, { what: 'UPDATEs and End-of-RIB' });
  assert.ok(us.session.sendRouteRefresh(IPV4_UNICAST));
  const before = us.updates;
  await until(() => us.updates > before, { what: 'the routes again' });
});

void test('we connect to BIRD', async () => {
  const us = start();
  await reconfigure('passive yes;');
  await established(us);
  assert.ok(us.session.negotiated!.outgoing);
});

void test('BIRD and we connect at the same moment, again and again, and it ends in one session', async () => {
  await reconfigure('connect delay time 0;');
  for (let i = 0; i < 3; i++) {
    const us = start();
    await established(us);
    await birdc('restart grevy');
    await until(() => us.downs.length > 0, { what: 'BIRD’s goodbye' });
    await established(us);
  }
});

void test('what BIRD shuts down for is known here, and what we shut down for is known there', async () => {
  const us = start({ passive: true });
  await reconfigure('');
  await established(us);
  us.session.stop({ text: 'tea break' });
  await until(async () => /Administrative shutdown/i.test(await birdc('show protocols all grevy')), {
    what: 'our reason',
  });
  us.session.start();
  await established(us);
  await birdc('disable grevy "cable work"');
  await until(() => us.downs.at(-1)?.kind === 'notification-received', { what: 'BIRD’s reason' });
  const reason = us.downs.at(-1)!;
  assert.ok(reason.kind === 'notification-received');
  assert.deepEqual([reason.error.code, reason.error.subcode], [6, 2]);
  assert.equal(Buffer.from(reason.error.data.subarray(1)).toString(), 'cable work');
  await birdc('enable grevy');
});

void test('BIRD is told what is wrong with its OPEN', async () => {
  await reconfigure('');
  const us = start({ remoteAs: 65010 });
  await until(async () => /Bad peer AS/i.test(await birdc('show protocols all grevy')), { what: 'Bad peer AS' });
  assert.equal(us.ups.length, 0);
  const six = start({ families: [IPV6_UNICAST] });
  await until(async () => /capability|Unsupported/i.test(await birdc('show protocols all grevy')), {
    what: 'Unsupported capability',
  });
  assert.equal(six.ups.length, 0);
});

void test('KEEPALIVEs go on while the bgp thread computes for longer than the hold time', async () => {
  const us = start({ passive: true, holdTimeS: 3, keepaliveS: 1 });
  await reconfigure('hold time 3; keepalive time 1; startup hold time 10;');
  await established(us);
  assert.equal(us.session.negotiated!.holdTimeMs, 3000);
  const table = new ConnectionTable(channels.table);
  const sent = table.global(KA_SENT);
  const until = performance.now() + 5000;
  while (performance.now() < until); // nothing of this thread's loop runs
  assert.ok(table.global(KA_SENT) - sent >= 4, `sent ${table.global(KA_SENT) - sent} in 5 s`);
  assert.ok(table.global(KA_LATEST_MS) < 500, `the latest came ${table.global(KA_LATEST_MS)} ms late`);
  assert.match(await birdc('show protocols grevy'), /Established/);
  // Our own hold timer fired long ago, but what has arrived meanwhile counts.
  assert.deepEqual(us.events, ['up']);
  assert.equal(us.session.state, 'Established');
});
