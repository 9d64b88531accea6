// What the other tests of this folder build upon: the virtual machine's kernel does what the host's may not, in namespaces as
// anywhere.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Lab, type Namespace } from '../lib/netns.ts';

export const MODULES: readonly string[] = [
  'dummy',
  'vrf',
  '8021q',
  'bonding',
  'ip_gre',
  'mpls_router',
  'mpls_iptunnel',
];

const LINKS = `link add red type vrf table 10
link set red up
link add du0 type dummy
link set du0 up
address add 192.0.2.1/24 dev du0
link add du1 type dummy
link set du1 master red up
address add 198.51.100.1/24 dev du1
link add du0.5 link du0 type vlan id 5
link add bo0 type bond mode active-backup
link add gre1 type gre local 192.0.2.1 remote 192.0.2.2
`;
const KINDS = { red: 'vrf', du0: 'dummy', 'du0.5': 'vlan', bo0: 'bond', gre1: 'gre' };

interface Route {
  dst: string;
  dev?: string;
  gateway?: string;
  [key: string]: unknown;
}

/** Runs inside. */
export function suite(): void {
  describe('a kernel with everything', tests);
}

function tests(): void {
  const lab = new Lab();
  let host: Namespace;
  const ip = (line: string): Promise<string> => host.run('ip', ...line.split(' '));
  const routes = (...argv: string[]): Promise<Route[]> => host.ipJson<Route[]>(...argv);

  before(async () => {
    host = await lab.namespace('host');
    const batch = join(await lab.directory(), 'links');
    writeFileSync(batch, LINKS);
    await ip(`-batch ${batch}`);
    await host.run('sysctl', '-q', '-w', 'net.mpls.platform_labels=1000', 'net.vrf.strict_mode=1');
  });
  after(() => lab.close());

  test('it is not the kernel of the host', async () => {
    assert.match(await host.run('uname', '-r'), /-amd64\n$/);
  });

  test('links of kinds that other kernels lack', async () => {
    const links = await host.ipJson<{ ifname: string; linkinfo?: { info_kind: string } }[]>('link', 'show');
    const kinds = new Map(links.map(({ ifname, linkinfo }) => [ifname, linkinfo?.info_kind]));
    for (const [name, kind] of Object.entries(KINDS)) assert.equal(kinds.get(name), kind);
  });

  test('VRF: what is connected to a port is in the table of the VRF, and not in the main one', async () => {
    const inVrf = await routes('route', 'show', 'table', '10');
    assert.ok(inVrf.some(({ dst, dev }) => dst === '198.51.100.0/24' && dev === 'du1'));
    assert.ok((await routes('route', 'show')).every(({ dst }) => dst !== '198.51.100.0/24'));
  });

  test('MPLS: a label is swapped, and one is pushed', async () => {
    await ip('-f mpls route add 100 as 200 via inet 192.0.2.2 dev du0');
    await ip('route add 10.9.0.0/16 encap mpls 300 via 192.0.2.2 dev du0');
    const [swap] = await routes('-f', 'mpls', 'route', 'show');
    assert.deepEqual([swap!.dst, swap!['to'], swap!.dev], ['100', '200', 'du0']);
    const [push] = await routes('route', 'show', '10.9.0.0/16');
    assert.deepEqual([push!['encap'], push!['dst'], push!.gateway], ['mpls', '300', '192.0.2.2']);
  });

  test('SRv6: End.DT4 looks up in the table of a VRF', async () => {
    await ip('-6 route add fc00::100/128 encap seg6local action End.DT4 vrftable 10 dev red');
    const [sid] = await routes('-6', 'route', 'show', 'fc00::100');
    assert.deepEqual([sid!['encap'], sid!['action'], sid!['vrftable']], ['seg6local', 'End.DT4', '10']);
  });
}
