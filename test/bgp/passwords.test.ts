// Passwords where connections come in: they are the listening socket's, which outlives neighbours.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AF_INET } from '../../src/net/index.ts';
import { until } from '../lib/wait.ts';
import { Speaker } from './lib/configured.ts';
import { routersOnLoopback } from './lib/loopback.ts';
import { Router } from './lib/router.ts';

let port = 30_000 + (process.pid % 10_000);
const routers = routersOnLoopback('passwords');

const head = (as: number, last: number): string => `router bgp ${as}
 bgp router-id 10.9.0.${last}
 no bgp ebgp-requires-policy
`;
/** Only waits, at 10.9.0.1. */
const waiting = (more = ''): string => `${head(65001, 1)} neighbor 10.9.0.2 remote-as 65002
 neighbor 10.9.0.2 passive
${more}`;
/** Only connects, from 10.9.0.2. */
const connecting = (more = ''): string => `${head(65002, 2)} neighbor 10.9.0.1 remote-as 65001
 neighbor 10.9.0.1 port ${port}
 neighbor 10.9.0.1 update-source 10.9.0.2
 neighbor 10.9.0.1 timers connect 1
${more}`;

function pair(): [Router, Router] {
  port += 2;
  const made: [Router, Router] = [new Router('one', port), new Router('two', port + 1)];
  routers.push(...made);
  return made;
}

const established = (router: Router): Promise<unknown> =>
  until(() => router.show('show bgp neighbors').includes('BGP state = Established'), {
    what: () =>
      `a session\n${router.show('show bgp neighbors')}${routers.map(one => one.logged.join('\n')).join('\n')}`,
  });

test('a password goes with its neighbour: who has the address next needs none', async () => {
  const [one, two] = pair();
  one.config(waiting(' neighbor 10.9.0.2 password secret\n'));
  two.config(connecting(' neighbor 10.9.0.1 password secret\n'));
  await established(one);
  one.config(head(65001, 1));
  two.config(connecting());
  one.config(waiting());
  await established(one);
});

test('a key that the system refuses is logged, and the socket takes others', async () => {
  const [one, two] = pair();
  one.config(waiting());
  two.config(connecting());
  await established(one);
  one.bgp.setMd5Key(one.bgp.instance().vrf, AF_INET, [0x0a090009, 0, 0, 0], 'x'.repeat(81));
  await until(() => one.logged.some(line => line.includes('TCP_MD5SIG 10.9.0.9 EINVAL')), {
    what: () => one.logged.join('\n'),
  });
  one.type('router bgp 65001', 'neighbor 10.9.0.2 password secret');
  two.type('router bgp 65002', 'neighbor 10.9.0.1 password secret');
  await until(() => one.show('show bgp neighbors').includes('Connections established 2'), {
    what: () => `a session with a password\n${one.show('show bgp neighbors')}${one.logged.join('\n')}`,
  });
  await established(one);
});

test('a password that no socket would take is refused', () => {
  const speaker = new Speaker(waiting());
  assert.match(
    speaker.type(`router bgp 65001\nneighbor 10.9.0.2 password ${'é'.repeat(41)}`),
    /^% A password has at most 80 octets: this one has 82$/,
  );
  speaker.close();
});
