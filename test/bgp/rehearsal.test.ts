// The rehearsal: its script is sound, its stage leaves nothing behind, and a daemon that rehearses shows nobody anything of it.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { closeBgpChannels, createBgpChannels } from '../../src/bgp/io/channels.ts';
import { IoLoop } from '../../src/bgp/io/io-loop.ts';
import { createTransport } from '../../src/bgp/io/transport.ts';
import { rehearse } from '../../src/bgp/rehearsal/rehearsal.ts';
import { announcements, withdrawals } from '../../src/bgp/rehearsal/script.ts';
import { ACTION_OK } from '../../src/bgp/wire/attribute.ts';
import { messageLength } from '../../src/bgp/wire/message.ts';
import { countPrefixes } from '../../src/bgp/wire/nlri.ts';
import { UpdateParser } from '../../src/bgp/wire/update.ts';
import { TaskLoop } from '../../src/concurrency/index.ts';
import { startGrevy } from '../lib/daemons.ts';
import { Lab } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

/** Sockets that this process, or another one, holds. */
function sockets(pid: number | 'self'): number {
  let count = 0;
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    try {
      if (readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith('socket:')) count++;
    } catch {
      // closed meanwhile
    }
  }
  return count;
}

test('the script is UPDATEs without a fault, of both families, and its withdrawals take back half of them', () => {
  const parser = new UpdateParser({ ebgp: true, as4: true, ipv4: true, ipv6: true, firstAs: 65002 });
  const count = (bytes: Uint8Array): { messages: number; announced: number[]; withdrawn: number[] } => {
    const total = { messages: 0, announced: [0, 0], withdrawn: [0, 0] };
    for (let at = 0; at < bytes.length; at += messageLength(bytes, at)) {
      total.messages++;
      assert.equal(parser.parse(bytes, at, messageLength(bytes, at)).action, ACTION_OK, parser.describe());
      total.announced[0]! += countPrefixes(bytes, parser.nlriStart, parser.nlriEnd);
      total.withdrawn[0]! += countPrefixes(bytes, parser.withdrawnStart, parser.withdrawnEnd);
      if (parser.reachFamily !== 0) total.announced[1]! += countPrefixes(bytes, parser.reachStart, parser.reachEnd);
      if (parser.unreachFamily !== 0) {
        total.withdrawn[1]! += countPrefixes(bytes, parser.unreachStart, parser.unreachEnd);
      }
    }
    return total;
  };
  const act = announcements(0);
  const all = count(act.bytes);
  assert.equal(all.messages, act.messages);
  assert.deepEqual(all.withdrawn, [0, 0]);
  assert.ok(all.announced.every(prefixes => prefixes > 0));
  const gone = count(withdrawals().bytes);
  assert.deepEqual(gone.announced, [0, 0]);
  assert.deepEqual(
    gone.withdrawn.map(prefixes => prefixes * 2),
    all.announced,
  );
});

for (const [name, overtakenAt, finished] of [
  ['a rehearsal without zebra comes to its end and closes all that it opened', Number.POSITIVE_INFINITY, true],
  ['one that a real table overtakes is given up, and closes as much', 20, false],
] as const) {
  test(name, async () => {
    const before = sockets('self');
    const loop = new TaskLoop('test');
    const channels = createBgpChannels();
    const io = new IoLoop(loop, channels);
    let looks = 0;
    const overtaken = (): boolean => ++looks > overtakenAt;
    assert.equal(await rehearse({ loop, transport: createTransport(loop, channels), overtaken }), finished);
    assert.ok(finished || looks === overtakenAt + 1);
    assert.ok(loop.stats().every(({ name }) => !name.startsWith('bgp process')));
    await until(() => sockets('self') === before, { what: () => `${sockets('self') - before} sockets to be closed` });
    io.close();
    loop.close();
    closeBgpChannels(channels);
  });
}

test('a daemon that rehearses shows nothing of it, and touches no kernel', async () => {
  const lab = new Lab();
  try {
    const namespace = await lab.namespace('stage');
    const monitor = namespace.spawn(['ip', 'monitor', 'route', 'nexthop', 'link', 'address']);
    let seen = '';
    monitor.stdout?.on('data', chunk => (seen += String(chunk)));
    const daemon = await startGrevy(lab, namespace, 'hostname stage\n', { rehearsal: true });
    const shown = async (): Promise<string> =>
      (await daemon.sh('show ip route')) + (await daemon.sh('show zebra client summary'));
    let text = '';
    await until(
      async () => {
        text += await shown();
        return daemon.output().includes('bgp: rehearsed in');
      },
      { what: () => `the rehearsal's end; it printed ${daemon.output()}` },
    );
    text += await shown();
    assert.doesNotMatch(text, /rehears|10\.0\.0\.|bgp.*\n.*bgp/);
    assert.equal(seen, '');
    // Zebra's part ends when it has missed bgp for a moment.
    await until(() => !existsSync(join(daemon.directory, 'run', 'zserv.api.rehearsal')), {
      what: 'the stage to be gone',
    });
    await daemon.stop();
  } finally {
    await lab.close();
  }
});
