// What needs the virtual machine's kernel: the suites of this folder run in one, because its start takes longer than they do.
// And one that goes wrong is a failure that says how, in time, and leaves nothing behind.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runCommand } from '../lib/netns.ts';
import { bootVm, describeInVm, INSIDE_VM } from '../lib/vm.ts';
import { until } from '../lib/wait.ts';
import * as bgpVrf from './bgp-vrf.ts';
import * as ifproxy from './ifproxy.ts';
import * as interfaces from './interfaces.ts';
import * as kernel from './kernel.ts';
import * as l3vpn from './l3vpn.ts';
import * as l3vpnLsp from './l3vpn-lsp.ts';
import * as labels from './labels.ts';
import * as mpls from './mpls.ts';
import * as netlinkEncaps from './netlink-encaps.ts';
import * as nexthopVrf from './nexthop-vrf.ts';
import * as operations from './operations.ts';
import * as srv6 from './srv6.ts';
import * as vlan from './vlan.ts';
import * as vrf from './vrf.ts';

const SUITES = [
  kernel,
  netlinkEncaps,
  interfaces,
  labels,
  mpls,
  operations,
  vrf,
  vlan,
  nexthopVrf,
  bgpVrf,
  srv6,
  l3vpnLsp,
  l3vpn,
  ifproxy,
];

describeInVm(
  'inside the virtual machine',
  { file: import.meta.filename, modules: [...new Set(SUITES.flatMap(({ MODULES }) => MODULES))] },
  () => {
    for (const { suite } of SUITES) suite();
  },
);

/** The process of a machine that is a child of ours; pgrep fails where there is none. */
const machine = (): Promise<string> =>
  runCommand('pgrep', ['-P', String(process.pid), 'qemu-system']).then(
    text => text.trim(),
    () => '',
  );

if (!INSIDE_VM) {
  test('a machine that does not come up within the limit', async () => {
    await assert.rejects(
      bootVm('true', { timeoutMs: 300 }),
      /: the virtual machine did not end within 300 ms, and never came/,
    );
    assert.equal(await machine(), '');
  });

  test('a machine that ends before its script, as after a panic', async () => {
    const rejected = assert.rejects(
      bootVm('sleep infinity'),
      /: the virtual machine ended before its script did.*console:/s,
    );
    // Others may have theirs first.
    const pid = await until(machine, { timeoutMs: 200_000, what: 'a machine of ours' });
    process.kill(Number(pid));
    await rejected;
    assert.equal(await machine(), '');
  });
}
