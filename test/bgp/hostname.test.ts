// The name that the configuration gives a router is the one that its neighbours see.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startFrr, startGrevy } from '../lib/daemons.ts';
import { Lab } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

const lab = new Lab();
after(() => lab.close());

test('a neighbour is told the configured hostname', async () => {
  const near = await lab.namespace('near');
  const far = await lab.namespace('far');
  await lab.link(near, 'eth0', far, 'eth0');
  await near.run('ip', 'addr', 'add', '10.0.0.1/24', 'dev', 'eth0');
  await far.run('ip', 'addr', 'add', '10.0.0.2/24', 'dev', 'eth0');
  const peer = 'timers connect 1';
  const frr = await startFrr(
    lab,
    far,
    'bgpd',
    `router bgp 65002\n bgp router-id 10.0.0.2\n no bgp ebgp-requires-policy\n neighbor 10.0.0.1 remote-as 65001\n neighbor 10.0.0.1 ${peer}\n`,
    { args: ['-n', '-Z'] },
  );
  await startGrevy(
    lab,
    near,
    `hostname amsterdam7\n!\nrouter bgp 65001\n bgp router-id 10.0.0.1\n neighbor 10.0.0.2 remote-as 65002\n neighbor 10.0.0.2 ${peer}\nexit\n`,
  );
  const seen = await until(
    async () => {
      const [neighbor] = Object.values(JSON.parse(await frr.sh('show bgp neighbors json')) as Record<string, Neighbor>);
      return neighbor?.bgpState === 'Established' ? neighbor : undefined;
    },
    { timeoutMs: 30_000, what: 'the session with FRR' },
  );
  assert.equal(seen.hostname, 'amsterdam7');
});

interface Neighbor {
  bgpState: string;
  hostname?: string;
}
