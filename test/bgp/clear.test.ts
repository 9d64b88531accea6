// `clear bgp external`, `clear bgp peer-group NAME`: whom it is about.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../lib/wait.ts';
import { routersOnLoopback } from './lib/loopback.ts';
import { Router } from './lib/router.ts';

const PORT = 40_000 + (process.pid % 10_000);
const routers = routersOnLoopback('clear');

/** 2 is internal, 3 external and of the group, 4 external. */
const ASES: Readonly<Record<number, number>> = { 2: 65001, 3: 65003, 4: 65004 };

function start(): Router {
  const one = new Router('one', PORT);
  routers.push(one);
  const neighbours = Object.entries(ASES).map(
    ([last, as]) => ` neighbor 10.9.0.${last} remote-as ${as}\n neighbor 10.9.0.${last} passive\n`,
  );
  one.config(`router bgp 65001
 bgp router-id 10.9.0.1
 no bgp ebgp-requires-policy
 neighbor G peer-group
${neighbours.join('')} neighbor 10.9.0.3 peer-group G
 network 20.0.0.0/24
`);
  for (const [last, as] of Object.entries(ASES)) {
    const router = new Router(`r${last}`, PORT + Number(last));
    routers.push(router);
    router.config(`router bgp ${as}
 bgp router-id 10.9.0.${last}
 no bgp ebgp-requires-policy
 neighbor 10.9.0.1 remote-as 65001
 neighbor 10.9.0.1 port ${PORT}
 neighbor 10.9.0.1 update-source 10.9.0.${last}
 neighbor 10.9.0.1 timers connect 1
`);
  }
  return one;
}

test('external ones, and those of a peer-group, are cleared and no others', async () => {
  const one = start();
  /** How often each has come up, and that all are. */
  const become = async (...ups: number[]): Promise<void> => {
    let shown = '';
    const now = (): string =>
      [2, 3, 4]
        .map(last => one.show(`show bgp neighbors 10.9.0.${last}`))
        .map(text => `${/BGP state = (\w+)/.exec(text)?.[1]} ${/Connections established (\d+)/.exec(text)?.[1]}`)
        .join();
    const wanted = ups.map(up => `Established ${up}`).join();
    await until(() => (shown = now()) === wanted, { timeoutMs: 20_000, what: () => `${wanted}; it is ${shown}` });
  };
  await become(1, 1, 1);
  one.show('clear bgp peer-group G');
  await become(1, 2, 1);
  one.show('clear bgp external');
  await become(1, 3, 2);
  const updates = (): number =>
    (one.json('show bgp neighbors 10.9.0.3 json') as Record<string, { messageStats: { updatesSent: number } }>)[
      '10.9.0.3'
    ]!.messageStats.updatesSent;
  const before = updates();
  one.show('clear bgp ipv4 unicast peer-group G soft out');
  await until(() => updates() > before, { what: 'its route again' });
  await become(1, 3, 2);
  assert.equal(one.show('clear bgp peer-group NOBODY'), '%BGP: No such peer-group NOBODY\n');
});
