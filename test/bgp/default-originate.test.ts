// `default-originate` where no policy lets anything else out (RFC 8212): FRR makes the default route all the same, and so do we.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../lib/wait.ts';
import { routersOnLoopback } from './lib/loopback.ts';
import { Router } from './lib/router.ts';

const PORT = 50_000 + (process.pid % 10_000);
const routers = routersOnLoopback('default');

/** The one at 10.9.0.`last`, of AS 65000 + `last`, with these neighbours by their last octets. */
function at(last: number, neighbours: readonly number[], more = ''): Router {
  const made = new Router(`r${last}`, PORT + last);
  routers.push(made);
  const lines = neighbours.map(
    other => ` neighbor 10.9.0.${other} remote-as ${65_000 + other}
 neighbor 10.9.0.${other} port ${PORT + other}
 neighbor 10.9.0.${other} update-source 10.9.0.${last}
 neighbor 10.9.0.${other} timers connect 1
`,
  );
  made.config(`router bgp ${65_000 + last}
 bgp router-id 10.9.0.${last}
 no bgp ebgp-requires-policy
 no bgp network import-check
${lines.join('')}${more}`);
  return made;
}

test('without an outbound policy the default route goes out, changes, and is taken back', async () => {
  const one = at(1, [2, 3], ' neighbor 10.9.0.2 passive\n neighbor 10.9.0.3 passive\n');
  at(2, [1], ' network 10.2.0.0/24\n');
  const three = at(3, [1]);
  one.type('ip prefix-list TWO permit 10.2.0.0/24');
  one.type('route-map MAP permit 10', 'match ip address prefix-list TWO');
  one.type('route-map MAP permit 10', 'set metric 50');
  const family = ['router bgp 65001', 'address-family ipv4 unicast'];
  const hears = (...expected: string[]): Promise<unknown> => {
    let now: string[] = [];
    const heard = (): string[] => {
      const { routes = {} } = three.json('show bgp ipv4 unicast json') as {
        routes?: Record<string, { metric?: number }[]>;
      };
      return Object.entries(routes).map(([prefix, [path]]) => `${prefix} ${path?.metric ?? '-'}`);
    };
    return until(() => (now = heard()).join() === expected.join(), {
      what: () => `${expected.join()}; it is ${now.join()}`,
    });
  };
  await hears('10.2.0.0/24 -');
  one.type(...family, 'neighbor 10.9.0.2 route-map MAP in');
  await hears('10.2.0.0/24 -');
  one.type('router bgp 65001', 'bgp ebgp-requires-policy');
  await hears();
  one.type(...family, 'neighbor 10.9.0.3 default-originate');
  await hears('0.0.0.0/0 0');
  one.type(...family, 'neighbor 10.9.0.3 default-originate route-map MAP');
  await hears('0.0.0.0/0 50');
  one.type(...family, 'no neighbor 10.9.0.3 default-originate');
  await hears();
  one.type(...family, 'neighbor 10.9.0.3 default-originate');
  await hears('0.0.0.0/0 0');
  one.type('router bgp 65001', 'no bgp ebgp-requires-policy');
  await hears('0.0.0.0/0 0', '10.2.0.0/24 -');
  assert.match(one.show('show bgp neighbors 10.9.0.3'), /Default information originate, default sent/);
});
