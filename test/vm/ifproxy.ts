// ifproxy on Debian's kernel, with the links that others lack: what moves between VRFs takes its routes along, in silence for IPv4.
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { closeWorlds, World } from '../ifproxy/world.ts';
import { Lab } from '../lib/netns.ts';

export const MODULES: readonly string[] = ['dummy', 'vrf', '8021q', 'veth', 'tun'];

const LIMIT_MS = 60_000;

export function suite(): void {
  describe('ifproxy', { timeout: 300_000 }, () => {
    const lab = new Lab();
    after(() => closeWorlds());
    after(() => lab.close());

    test('a proxy that is put into a VRF, and taken out', async () => {
      const world = new World(await lab.namespace('vrf'));
      await world.tap();
      for (const command of [
        'link add red type vrf table 10',
        'link set red up',
        'addr add 10.0.0.1/24 dev tap1',
        '-6 addr add 2001:db8::1/64 dev tap1 nodad',
        'route add 10.9.0.0/16 via 10.0.0.2',
        'link set tap1 master red',
        'route add 10.10.0.0/16 via 10.0.0.2 table 10',
        'link set tap1 nomaster',
      ]) {
        await world.ip(...command.split(' '));
        await world.agrees('tap1', LIMIT_MS);
      }
      assert.ok([...world.replay.routes.values()].every(({ table }) => table !== 10));
      world.library.close();
    });

    for (const [name, add] of [
      ['du0', 'link add du0 type dummy'],
      ['du1.5', 'link add link du1 name du1.5 type vlan id 5'],
    ] as const) {
      test(`an adopted ${name}`, async () => {
        const world = new World(await lab.namespace(name));
        await world.ip('link', 'add', 'du1', 'type', 'dummy');
        await world.ip('link', 'set', 'du1', 'up');
        await world.ip(...add.split(' '));
        world.library.bind(world.port, world.library.adopt(name));
        world.library.listen();
        for (const command of [
          `link set ${name} up`,
          `addr add 10.0.0.1/24 dev ${name}`,
          'route add 10.9.0.0/16 nexthop via 10.0.0.2 nexthop via 10.0.0.3',
          `nexthop add id 7 via 10.0.0.4 dev ${name}`,
          'route add 10.10.0.0/16 nhid 7',
          `neigh add 10.0.0.2 lladdr 02:00:00:00:00:01 dev ${name}`,
          `link set ${name} down`,
          `link set ${name} up`,
        ]) {
          await world.ip(...command.split(' '));
          await world.agrees(name, LIMIT_MS);
        }
        world.library.close();
      });
    }
  });
}
