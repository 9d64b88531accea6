// Lines about VPNs: they come back in the words and in the order in which FRR writes them, whatever the order they were typed in; and what
// is wrong with one is said.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { warnings } from '../../src/cli/check.ts';
import { allCommands } from '../../src/daemon/commands.ts';
import { Grammar, loadConfig } from '../../src/vty/index.ts';
import { type Daemon, startFrr } from '../lib/daemons.ts';
import { Lab } from '../lib/netns.ts';

const grammar = new Grammar(allCommands);
const GREVY: string = resolve(import.meta.dirname, '../../bin/grevy');

/** As Grevy writes it. */
function written(text: string): string {
  const { tree, problems } = loadConfig(grammar, text, 'test.conf');
  assert.deepEqual(problems, []);
  return tree.text;
}

/** What Grevy says of a line in the address family of an instance. */
function problem(line: string, block = 'router bgp 65001 vrf red\n address-family ipv4 unicast\n'): string {
  const { problems } = loadConfig(grammar, `${block}  ${line}\n`, 'test.conf');
  return problems.map(({ message }) => message).join();
}

/** Of an edge of a provider, its lines in an order in which nobody writes them. */
const EDGE = `router bgp 65001
 bgp router-id 1.1.1.1
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 no bgp network import-check
 neighbor 2001:db8::2 remote-as 65001
 neighbor 2001:db8::2 update-source 2001:db8::1
 neighbor 2001:db8::2 capability extended-nexthop
 address-family ipv6 vpn
  neighbor 2001:db8::2 activate
 exit-address-family
 address-family ipv6 unicast
  network fd00::/48
 exit-address-family
 segment-routing srv6
  locator loc0
 exit
 address-family ipv4 vpn
  neighbor 2001:db8::2 activate
  neighbor 2001:db8::2 route-reflector-client
 exit-address-family
 address-family ipv4 unicast
  network 10.9.0.0/24
 exit-address-family
exit
router bgp 65001 vrf vrf10
 bgp router-id 1.1.1.1
 neighbor 172.16.1.2 remote-as 65101
 address-family ipv6 unicast
  import vpn
  export vpn
  rt vpn import 65001:10
  rt vpn export 65001:10
  label vpn export auto
  rd vpn export 65001:101
 exit-address-family
 address-family ipv4 unicast
  import vpn
  export vpn
  route-map vpn export OUT
  rt vpn both 65001:10 4200000001:7
  nexthop vpn export 192.0.2.1
  rd vpn export 192.0.2.1:101
  sid vpn export 7
  route-map vpn import IN
  maximum-paths 4
  redistribute connected
  network 10.1.0.0/24
  rt vpn import 65001:11 65001:10
 exit-address-family
exit
router bgp 65001 vrf vrf20
 address-family ipv4 unicast
  import vrf vrf40
  import vrf default
  redistribute static
  import vrf route-map IN
 exit-address-family
exit
router bgp 65001 vrf vrf40
exit
router bgp 65001 vrf vrf30
 address-family ipv4 unicast
  sid vpn export auto
  route-target vpn both 65001:30
  rd vpn export 65001:30
  export vpn
 exit-address-family
exit
route-map IN permit 10
exit
route-map OUT permit 10
exit
`;

describe('beside FRR', () => {
  const lab = new Lab();
  let theirs: string;
  let directory: string;

  before(async () => {
    const frr: Daemon = await startFrr(lab, await lab.namespace('lines'), 'bgpd', EDGE, { args: ['-Z', '-n'] });
    theirs = await frr.sh('show running-config');
    directory = frr.directory;
  });
  after(() => lab.close());

  /** From the first instance on, without what both say before of themselves. */
  const instances = (text: string): string => text.slice(text.indexOf('router bgp')).replace(/\n*end\n*$/, '\n');

  test('what it writes comes back as it is', () => {
    assert.match(theirs, /rt vpn import 65001:11 65001:10/, 'FRR has taken it');
    assert.equal(instances(written(theirs.slice(theirs.indexOf('!')))), instances(theirs));
  });

  test('the same lines in another order are written in the same one', () => {
    assert.equal(instances(written(EDGE)), instances(theirs));
  });

  test('grevy check reads it', async () => {
    const file = join(directory, 'theirs.conf');
    writeFileSync(file, theirs.slice(theirs.indexOf('!')));
    const { stdout, stderr } = await promisify(execFile)(GREVY, ['check', '-c', file]);
    assert.deepEqual([stdout, stderr], [`${file}: no errors\n`, '']);
  });
});

describe('the lists of route targets', () => {
  const head = 'router bgp 65001 vrf red\n !\n address-family ipv4 unicast\n';
  const tail = ' exit-address-family\nexit\n!\n';
  const lists = (typed: string): string => {
    const text = written(`router bgp 65001 vrf red\n address-family ipv4 unicast\n${typed}`);
    if (text === 'router bgp 65001 vrf red\nexit\n!\n') return '';
    assert.ok(text.startsWith(head) && text.endsWith(tail), text);
    return text.slice(head.length, -tail.length);
  };
  for (const words of ['rt vpn', 'rt']) {
    test(`of '${words}' are two, and written as one while they are the same`, () => {
      const both = `  ${words} both 65001:1 192.0.2.1:2\n`;
      assert.equal(lists(both), both);
      assert.equal(lists(`  ${words} export 65001:1\n  ${words} import 65001:1\n`), `  ${words} both 65001:1\n`);
      // What is said of one direction leaves the other as it was.
      const changed = lists(`${both}  ${words} import 65001:7\n`);
      assert.equal(changed, `  ${words} import 65001:7\n  ${words} export 65001:1 192.0.2.1:2\n`);
      assert.equal(
        lists(`${both}  no ${words} export 65001:1 192.0.2.1:2\n`),
        `  ${words} import 65001:1 192.0.2.1:2\n`,
      );
      assert.equal(lists(`${both}  no ${words} import\n`), `  ${words} export 65001:1 192.0.2.1:2\n`);
      assert.equal(lists(`${both}  no ${words} both\n`), '');
      assert.equal(lists(`${changed}  no ${words} both\n`), '');
      assert.equal(lists(`${both}  no ${words} both 65001:1 192.0.2.1:2\n`), '');
      assert.equal(lists(`${changed}  ${words} both 65001:3\n`), `  ${words} both 65001:3\n`);
    });
  }
  test('have each target once, in the order typed', () => {
    assert.equal(lists('  route-target vpn both 65001:9 65001:1 65001:9\n'), '  rt vpn both 65001:9 65001:1\n');
  });
});

test('an edge with SRv6, as short as it can be said', () => {
  const text = `router bgp 65001
 bgp router-id 1.1.1.1
 !
 segment-routing srv6
  locator loc0
 !
 address-family ipv4 vpn
 exit-address-family
!
router bgp 65001 vrf vrf10
 bgp router-id 1.1.1.1
 !
 address-family ipv4 unicast
  sid vpn export auto
  rt both 65001:10
 exit-address-family
!
`;
  const back = written(text);
  assert.equal(
    back,
    `router bgp 65001
 bgp router-id 1.1.1.1
 !
 segment-routing srv6
  locator loc0
 exit
exit
!
router bgp 65001 vrf vrf10
 bgp router-id 1.1.1.1
 !
 address-family ipv4 unicast
  sid vpn export auto
  rt both 65001:10
 exit-address-family
exit
!
`,
  );
  assert.equal(written(back), back);
});

describe('what is wrong with a line is said, with what was typed', () => {
  const wrong: readonly (readonly [line: string, message: string, block?: string])[] = [
    ['rd vpn export 65001', 'Malformed rd: 65001'],
    ['rd vpn export 65001:4294967296', 'Malformed rd: 65001:4294967296'],
    ['rd vpn export 65536:65536', 'Malformed rd: 65536:65536'],
    ['rd vpn export 192.0.2.256:1', 'Malformed rd: 192.0.2.256:1'],
    ['rt vpn both 65001:1 65001', "Malformed rt: '65001' is not a route target"],
    ['rt import red', "Malformed rt: 'red' is not a route target"],
    ['label vpn export 3', 'label 3 is reserved: 16 is the first that a VRF may have'],
    ['label vpn export 1048576', "not understood: '1048576' after 'label vpn export'"],
    ['sid vpn export 0', "not understood: '0' after 'sid vpn export'"],
    ['nexthop vpn export 1.2', "not understood: '1.2' after 'nexthop vpn export'"],
    ['import vrf red', 'Cannot import vrf red into itself'],
    ['import vrf default', 'Cannot import vrf default into itself', 'router bgp 65001\n address-family ipv4 unicast\n'],
    [
      'address-family ipv4 vpn',
      'Address family vpn belongs to the default instance, not to that of red',
      'router bgp 65001 vrf red\n',
    ],
    [
      'segment-routing srv6',
      'segment-routing srv6 belongs to the default instance, not to that of red',
      'router bgp 65001 vrf red\n',
    ],
    ['locator', "more words are missing after 'locator'", 'router bgp 65001\n segment-routing srv6\n'],
  ];
  for (const [line, message, block] of wrong) {
    test(line, () => assert.equal(block === undefined ? problem(line) : problem(line, block), message));
  }
  test('what is named and not defined', () => {
    const text = `router bgp 65001 vrf red
 address-family ipv4 unicast
  route-map vpn import NONE
  import vrf route-map NONE
  import vrf blue
  import vrf default
`;
    const { tree } = loadConfig(grammar, text, 'test.conf');
    assert.deepEqual(
      warnings(tree).map(({ line, message }) => `${line} ${message}`),
      [
        "3 route-map 'NONE' is used and not defined: 'route-map vpn import NONE'",
        "4 route-map 'NONE' is used and not defined: 'import vrf route-map NONE'",
        "5 router bgp … vrf 'blue' is used and not defined: 'import vrf blue'",
      ],
    );
  });
});
