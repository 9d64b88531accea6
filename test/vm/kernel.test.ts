// What the other tests of this folder build upon: the virtual machine's kernel does what the host's may not, in namespaces as
// anywhere; and a machine that goes wrong is a failure that says so.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Lab, type Namespace } from '../lib/netns.ts';
import { bootVm, describeInVm } from '../lib/vm.ts';

const MODULES = ['dummy', 'vrf', '8021q', 'bonding', 'ip_gre', 'mpls_router', 'mpls_iptunnel'];

interface Route {
  dst: string;
  dev?: string;
  gateway?: string;
  [key: string]: unknown;
}

describeInVm('a kernel with everything', { file: import.meta.filename, modules: MODULES }, () => {
  const lab = new Lab();
  let host: Namespace;
  const ip = (line: string): Promise<string> => host.run('ip', ...line.split(' '));
  const routes = (...argv: string[]): Promise<Route[]> => host.ipJson<Route[]>(...argv);

  before(async () => {
    host = await lab.namespace('host');
    await ip('link add red type vrf table 10');
    await ip('link set red up');
    await ip('link add du0 type dummy');
    await ip('link set du0 up');
    await ip('addr add 192.0.2.1/24 dev du0');
  });
  after(() => lab.close());

  test('it is not the kernel of the host', async () => {
    assert.match(await host.run('uname', '-r'), /-amd64\n$/);
  });

  for (const [name, kind, options] of [
    ['du1', 'dummy', ''],
    ['du0.5', 'vlan', 'id 5'],
    ['bo0', 'bond', 'mode active-backup'],
    ['gre1', 'gre', 'local 192.0.2.1 remote 192.0.2.2'],
    ['blue', 'vrf', 'table 20'],
  ] as const) {
    test(`${kind}: a link of that kind`, async () => {
      const below = kind === 'vlan' ? 'link du0 ' : '';
      await ip(`link add ${below}name ${name} type ${kind} ${options}`.trim());
      const [link] = await host.ipJson<{ linkinfo: { info_kind: string } }[]>('link', 'show', name);
      assert.equal(link!.linkinfo.info_kind, kind);
    });
  }

  test('VRF: what is connected to a port is in the table of the VRF, and not in the main one', async () => {
    await ip('link add du2 type dummy');
    await ip('link set du2 master red up');
    await ip('addr add 198.51.100.1/24 dev du2');
    const inVrf = await routes('route', 'show', 'table', '10');
    assert.ok(inVrf.some(({ dst, dev }) => dst === '198.51.100.0/24' && dev === 'du2'));
    assert.ok((await routes('route', 'show')).every(({ dst }) => dst !== '198.51.100.0/24'));
  });

  test('MPLS: a label is swapped, and one is pushed', async () => {
    await host.run('sysctl', '-q', '-w', 'net.mpls.platform_labels=1000');
    await ip('-f mpls route add 100 as 200 via inet 192.0.2.2 dev du0');
    await ip('route add 10.9.0.0/16 encap mpls 300 via 192.0.2.2 dev du0');
    const [swap] = await routes('-f', 'mpls', 'route', 'show');
    assert.deepEqual([swap!.dst, swap!['to'], swap!.dev], ['100', '200', 'du0']);
    const [push] = await routes('route', 'show', '10.9.0.0/16');
    assert.deepEqual([push!['encap'], push!['dst'], push!.gateway], ['mpls', '300', '192.0.2.2']);
  });

  test('SRv6: End.DT4 looks up in the table of a VRF', async () => {
    await host.run('sysctl', '-q', '-w', 'net.vrf.strict_mode=1');
    await ip('-6 route add fc00::100/128 encap seg6local action End.DT4 vrftable 10 dev red');
    const [sid] = await routes('-6', 'route', 'show', 'fc00::100');
    assert.deepEqual([sid!['encap'], sid!['action'], sid!['vrftable']], ['seg6local', 'End.DT4', '10']);
  });
});
