// What zebra shows, beside what FRR's zebra and staticd show of the same host and the same configuration.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Daemon, startFrr } from '../lib/daemons.ts';
import { Lab, type Namespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';
import { frrRows, type Row } from './frr-rows.ts';
import { Host } from './host-process.ts';

const CONFIG = `ip route 10.1.0.0/16 192.0.2.9
ip route 10.1.0.0/16 198.51.100.9 50
ip route 10.2.0.0/16 10.1.0.5
ip route 10.3.0.0/16 blackhole
ip route 10.4.0.0/16 reject
ip route 10.5.0.0/16 192.0.2.9
ip route 10.5.0.0/16 198.51.100.9
ip route 10.6.0.0/16 eth0
ip route 10.9.0.0/16 192.0.2.9 tag 77
ip route 10.11.0.0/16 10.3.1.1
ip route 0.0.0.0/0 192.0.2.254
ipv6 route 2001:db8:1::/48 2001:db8::9
ipv6 route 2001:db8:2::/48 fe80::9 eth0
ipv6 route 2001:db8:3::/48 blackhole
interface eth0
 description to somewhere
exit
`;
/** Recursive over 10.6.0.0/16. FRR, told of both at once, now and then takes it for unreachable and never looks again. */
const RECURSIVE = 'ip route 10.8.0.0/16 10.6.1.1';

async function build(namespace: Namespace): Promise<void> {
  for (const n of [0, 1]) {
    await namespace.run('ip', 'link', 'add', `eth${n}`, 'type', 'veth', 'peer', 'name', `p${n}`);
    await namespace.run('ip', 'link', 'set', `eth${n}`, 'addrgenmode', 'none');
    await namespace.run('ip', 'link', 'set', `p${n}`, 'addrgenmode', 'none');
    await namespace.run('ip', 'link', 'set', `eth${n}`, 'up');
    await namespace.run('ip', 'link', 'set', `p${n}`, 'up');
  }
  // Kinds of links, with what is particular to each. They come up without addresses, and those kept down stay so.
  const ip = (line: string): Promise<unknown> => namespace.run('ip', ...line.split(' '));
  for (const line of [
    'link add br0 type bridge',
    'link add br1 type bridge',
    'link set p0 master br0',
    'link add mac0 link eth1 type macvlan mode bridge',
    'link set mac0 protodown on',
    'link add mac1 link eth1 type macvlan mode bridge',
    'link set mac1 protodown on protodown_reason 3 on',
    'link add vx0 type vxlan id 77 dstport 4789 local 192.0.2.1',
    'link add vx1 type vxlan id 78 dstport 4790 group 239.1.1.1 dev eth1',
    'link add vx2 type vxlan id 79 dstport 4791 local 2001:db8::1',
    'link set vx0 master br1',
    'link set vx1 alias a\u00a0name\u00a0of\u00a0more\u00a0than\u00a0forty-eight\u00a0bytes\u00a0that\u00a0the\u00a0kernel\u00a0keeps',
    'tuntap add tap0 mode tap',
    'tuntap add tun0 mode tun',
  ])
    await ip(line);
  await namespace.run('ip', 'addr', 'add', '192.0.2.1/24', 'dev', 'eth0');
  await namespace.run('ip', 'addr', 'add', '192.0.2.2/24', 'dev', 'eth0', 'label', 'eth0:second');
  await namespace.run('ip', 'addr', 'add', '198.51.100.1/24', 'dev', 'eth1');
  await namespace.run('ip', '-6', 'addr', 'add', '2001:db8::1/64', 'dev', 'eth0', 'nodad');
  await namespace.run('ip', 'addr', 'add', '10.255.0.1/32', 'dev', 'lo');
  await namespace.run('ip', 'addr', 'add', '10.254.0.1/32', 'dev', 'lo');
  await namespace.run('ip', 'addr', 'add', '203.0.113.1', 'peer', '203.0.113.2/32', 'dev', 'eth1');
  await namespace.run('ip', 'route', 'add', '172.16.0.0/16', 'via', '192.0.2.77');
  await namespace.run(
    'ip',
    'route',
    'add',
    '172.17.0.0/16',
    'metric',
    '100',
    'nexthop',
    'via',
    '192.0.2.77',
    'nexthop',
    'via',
    '198.51.100.7',
  );
}

/** Times differ; so does the order of two routes of one prefix that came at the same moment. */
function plain(text: string): string {
  return text
    .replaceAll(/\d\d:\d\d:\d\d/g, 'T')
    .split('\n')
    .map(line => line.trimEnd())
    .join('\n')
    .trim();
}

/** Routes to the same prefix in the order of their distances. */
function rows(text: string): Record<string, Row[]> {
  const json = frrRows(text);
  for (const list of Object.values(json)) list.sort((a, b) => Number(a['distance']) - Number(b['distance']));
  return json;
}

describe('beside FRR', { timeout: 60_000 }, () => {
  const lab = new Lab();
  let zebra: Daemon;
  let host: Host;

  before(async () => {
    const theirs = await lab.namespace('frr');
    const mine = await lab.namespace('grevy');
    await build(theirs);
    await build(mine);
    const directory = await lab.directory();
    zebra = await startFrr(lab, theirs, 'zebra', 'interface eth0\n description to somewhere\n', { directory });
    const statics = await startFrr(lab, theirs, 'staticd', CONFIG, { directory });
    host = new Host(mine, `${await lab.directory()}/zserv.api`, 60_000);
    await host.ready;
    await host.configure(`${CONFIG}${RECURSIVE}`);
    const installed = (run: (command: string) => Promise<string>, pattern: RegExp): Promise<boolean> => {
      let seen = '';
      return until(
        async () => {
          seen = await run('show ip route');
          return pattern.test(await run('show ip route summary'));
        },
        { what: () => seen },
      );
    };
    await installed(command => zebra.sh(command), /static +10 +9/);
    await statics.sh(`configure terminal\n${RECURSIVE}\nend`);
    await installed(command => zebra.sh(command), /static +11 +10/);
    await installed(command => host.run(command), /static +11 +10/);
    await until(async () => /static +3 +3/.test(await zebra.sh('show ipv6 route summary')), { what: "FRR's IPv6" });
    await until(async () => /static +3 +3/.test(await host.run('show ipv6 route summary')), { what: 'our IPv6' });
  });

  after(() => lab.close());

  // They are asked for beside everything else.
  const speedsKnown = (): Promise<unknown> =>
    until(async () => /Interface eth0 (?:.*\n)+? .*speed 10000/.test(await host.run('show interface')), {
      what: "eth0's speed",
    });

  for (const command of [
    'show ip route',
    'show ipv6 route',
    'show ip route summary',
    'show ipv6 route summary',
    'show ip route static',
    'show ip route connected',
    'show ip route 10.0.0.0/8 longer-prefixes',
    'show ip route 10.2.0.0/16',
    'show ip route 10.2.3.4',
    'show ip route 10.3.0.0/16',
    'show ip route 10.4.0.0/16',
    'show ip route 10.8.0.0/16',
    'show ip route 10.9.0.0/16',
    'show ip route 172.17.0.0/16',
    'show ip route 192.0.2.0/24',
    'show ip route 1.2.3.4/32',
    'show ipv6 route 2001:db8:2::/48',
    'show interface brief',
    'show interface description',
    'show ip forwarding',
    'show ipv6 forwarding',
  ]) {
    test(`${command}: the same text`, async () => {
      assert.equal(plain(await host.run(command)), plain(await zebra.sh(command)));
    });
  }

  for (const command of [
    'show ip route json',
    'show ipv6 route json',
    'show ip route 10.5.0.0/16 json',
    'show ip route static json',
  ]) {
    test(`${command}: the same routes`, async () => {
      assert.deepEqual(rows(await host.run(command)), rows(await zebra.sh(command)));
    });
  }

  for (const command of ['show ip route summary json', 'show interface brief json']) {
    test(`${command}: the same`, async () => {
      assert.deepEqual(JSON.parse(await host.run(command)), JSON.parse(await zebra.sh(command)));
    });
  }

  test('show interface: the same text but for hardware addresses, whatever the kind of the link', async () => {
    const shown = (text: string): string => plain(text.replaceAll(/HWaddr: [0-9a-f:]+/g, 'HWaddr: M'));
    await speedsKnown();
    assert.equal(shown(await host.run('show interface')), shown(await zebra.sh('show interface')));
  });

  test('show interface json: the same but for the hardware addresses', async () => {
    const interfaces = async (text: Promise<string>): Promise<Record<string, Row>> => {
      const all = JSON.parse(await text) as Record<string, Row>;
      for (const one of Object.values(all)) {
        delete one['hardwareAddress'];
      }
      return all;
    };
    await speedsKnown();
    assert.deepEqual(
      await interfaces(host.run('show interface json')),
      await interfaces(zebra.sh('show interface json')),
    );
  });
});
