// A bgp thread that is blocked for ten times the hold time: a thousand sessions stay up, at both ends. bgp-io and bgp-ka are
// real threads, the blocked one is this; the neighbours are BIRD's.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { closeBgpChannels, createBgpChannels, createTransport } from '../../src/bgp/index.ts';
import { ConnectionTable, KA_LATEST_MS } from '../../src/bgp/io/table.ts';
import { TaskLoop, Thread } from '../../src/concurrency/index.ts';
import { enterNetworkNamespace } from '../../src/sys/index.ts';
import { Lab, type Namespace, runCommand } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';
import { Router } from './lib/router.ts';

const SESSIONS = 1000;
const HOLD_S = 3;
const BLOCKED_MS = 30_000;

const lab = new Lab();
let namespace: Namespace;
before(async () => {
  namespace = await lab.namespace('blocked');
  await namespace.run('ip', 'route', 'add', 'local', '10.8.0.0/15', 'dev', 'lo');
  enterNetworkNamespace(namespace.path);
});
after(() => lab.close());

const neighbours: readonly string[] = Array.from({ length: SESSIONS }, (_, i) => `10.9.${i >> 8}.${i & 255}`);

// BIRD has one session to an address, so each has one of ours for itself.
const bird: string = `router id 10.9.0.1;
log stderr { fatal, bug };
protocol device {}
template bgp session { multihop; hold time ${HOLD_S}; keepalive time 1; startup hold time 60;
  connect delay time 1; connect retry time 1; error wait time 1, 2; ipv4 { import none; export none; }; }
${neighbours.map((address, i) => `protocol bgp p${i} from session { local ${address} port 1179 as 65009; neighbor ${address.replace('10.9.', '10.8.')} as 65001; }`).join('\n')}
`;

const grevy: string = `router bgp 65001
 bgp router-id 10.8.0.1
 no bgp ebgp-requires-policy
 neighbor many peer-group
 neighbor many remote-as 65009
 neighbor many passive
 neighbor many ebgp-multihop 255
 neighbor many timers 1 ${HOLD_S}
${neighbours.map(address => ` neighbor ${address} peer-group many`).join('\n')}
`;

test('a thousand sessions outlive a bgp thread that stands still', async () => {
  const channels = createBgpChannels();
  const start = (name: string, path: string, ownLoop: boolean): Promise<Thread> =>
    Thread.start({ name, entry: new URL(`../../src/bgp/${path}/thread.ts`, import.meta.url), data: channels, ownLoop });
  const [io, ka] = await Promise.all([start('bgp-io', 'io', false), start('bgp-ka', 'keepalive', true)]);
  const loop = new TaskLoop('bgp');
  const router = new Router('here', 179, { loop, transport: createTransport(loop, channels) });
  try {
    router.config(grevy);
    const control = `${await lab.directory()}/bird.ctl`;
    writeFileSync(`${control}.conf`, bird);
    namespace.spawn(['bird', '-f', '-c', `${control}.conf`, '-s', control], { stdio: 'ignore' });
    /** Milliseconds of the day since when each session is up; BIRD says it anew each time, give or take one. */
    const protocols = async (): Promise<number[]> => {
      const text = await runCommand('birdc', ['-s', control, 'show', 'protocols']).catch(() => '');
      const since = text.matchAll(/^p\d+ .* (\d+):(\d+):(\d+\.\d+) +Established/gm);
      return Array.from(since, ([, h, m, s]) => (Number(h) * 3600 + Number(m) * 60 + Number(s)) * 1000);
    };
    const up = async (): Promise<boolean> => (await protocols()).length === SESSIONS;
    await until(up, { timeoutMs: 60_000, everyMs: 500, what: `${SESSIONS} sessions` });
    const peers = router.bgp.instance().peers;
    const established = (): number =>
      Array.from(peers.values()).filter(({ negotiated }) => negotiated?.holdTimeMs === HOLD_S * 1000).length;
    await until(() => established() === SESSIONS, { what: 'them here' });
    const since = await protocols();

    // Nothing of this thread's loop runs.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BLOCKED_MS);

    const same = async (): Promise<void> => {
      const now = await protocols();
      assert.equal(now.length, SESSIONS);
      assert.deepEqual(
        now.filter((ms, i) => Math.abs(ms - since[i]!) > 100),
        [],
      );
    };
    await same();
    // Our own hold timers are long due, but what has arrived meanwhile counts: each is looked at before it is believed.
    let turns = 0;
    await until(() => turns++ > 20, { everyMs: 100, what: 'two seconds of turns' });
    assert.equal(established(), SESSIONS);
    await same();
    const latest = new ConnectionTable(channels.table).global(KA_LATEST_MS);
    assert.ok(latest < (HOLD_S * 1000) / 2, `a KEEPALIVE was ${latest} ms late`);
  } finally {
    router.close();
    await io.stop();
    await ka.stop();
    closeBgpChannels(channels);
  }
});
