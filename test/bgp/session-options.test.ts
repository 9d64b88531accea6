// What a session is opened with, limited by and ended with, between Grevy's whole daemon, FRR and BIRD: each side says it, and
// the other one's show is the judge.
//
//    bird ─ 10.0.2.0/24 ─ grevy ─ 10.0.1.0/24 ─ frr
//   65002                 65010                 65001
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Daemon, startBird, startFrr, startGrevy } from '../lib/daemons.ts';
import { Lab } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

const lab = new Lab();
let grevy: Daemon;
let frr: Daemon;
let bird: Daemon;
let frrLog: string;

const FRR = `hostname frr
log file LOG
router bgp 65001
 bgp router-id 10.0.1.1
 bgp log-neighbor-changes
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 10.0.1.10 remote-as 65010
 neighbor 10.0.1.10 timers connect 1
 address-family ipv4 unicast
  network 10.1.0.0/24
  network 10.1.1.0/24
 exit-address-family
exit
`;

/** What is done with its route, and options of its session. */
const birdConfig = (done = '', options = ''): string => `router id 10.0.2.2;
protocol device {}
protocol static s4 {
  ipv4;
  route 10.2.0.0/24 blackhole${done};
}
protocol bgp grevy {
  local 10.0.2.2 as 65002; neighbor 10.0.2.10 as 65010;
  connect delay time 1; connect retry time 1; error wait time 1, 1;
  ${options}
  ipv4 { import all; export where source = RTS_STATIC; };
}
`;

const GREVY = `hostname grevy
router bgp 65010
 bgp router-id 10.0.0.10
 bgp log-neighbor-changes
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 10.0.1.1 remote-as 65001
 neighbor 10.0.1.1 timers connect 1
 neighbor 10.0.2.2 remote-as 65002
 neighbor 10.0.2.2 timers connect 1
 !
 address-family ipv4 unicast
  network 10.10.0.0/24
  network 10.10.1.0/24
  network 10.10.2.0/24
 exit-address-family
exit
`;

before(async () => {
  const [host, right, left] = [await lab.namespace('grevy'), await lab.namespace('frr'), await lab.namespace('bird')];
  await lab.link(host, 'eth1', right, 'eth0');
  await lab.link(host, 'eth2', left, 'eth0');
  await host.run('ip', 'addr', 'add', '10.0.1.10/24', 'dev', 'eth1');
  await host.run('ip', 'addr', 'add', '10.0.2.10/24', 'dev', 'eth2');
  await right.run('ip', 'addr', 'add', '10.0.1.1/24', 'dev', 'eth0');
  await left.run('ip', 'addr', 'add', '10.0.2.2/24', 'dev', 'eth0');
  const directory = await lab.directory();
  frrLog = join(directory, 'log');
  [frr, bird, grevy] = await Promise.all([
    startFrr(lab, right, 'bgpd', FRR.replace('LOG', frrLog), { directory, args: ['-Z'] }),
    startBird(lab, left, birdConfig()),
    startGrevy(lab, host, GREVY),
  ]);
});
after(() => lab.close());

/** Lines typed in `configure terminal`. */
const configure = async (router: Daemon, ...lines: string[]): Promise<void> => {
  const output = await router.sh(['configure terminal', ...lines, 'end'].join('\n'));
  assert.doesNotMatch(output, /^%/m);
};
const ours = (...lines: string[]): Promise<void> => configure(grevy, 'router bgp 65010', ...lines);
const theirs = (...lines: string[]): Promise<void> => configure(frr, 'router bgp 65001', ...lines);
const FAMILY = 'address-family ipv4 unicast';

/** Waits until a shell's answer matches. */
const says = (router: Daemon, command: string, pattern: RegExp): Promise<string> => {
  let last = '';
  return until(
    async () => {
      last = await router.sh(command).catch(error => String(error));
      return pattern.test(last) ? last : '';
    },
    { timeoutMs: 40_000, everyMs: 50, what: () => `${command}: ${pattern}\n${last}\n${grevy.output()}` },
  );
};
const logged = (pattern: RegExp): Promise<unknown> =>
  until(() => pattern.test(grevy.output()), { timeoutMs: 20_000, what: () => `${pattern} in\n${grevy.output()}` });

const reconfigureBird = async (done = '', options = ''): Promise<void> => {
  writeFileSync(join(bird.directory, 'bird.conf'), birdConfig(done === '' ? '' : ` { ${done} }`, options));
  await bird.sh('configure');
};

const established = (address: string): Promise<string> =>
  says(grevy, `show bgp neighbors ${address}`, /BGP state = Established/);
const both = (): Promise<unknown> => Promise.all([established('10.0.1.1'), established('10.0.2.2')]);
const neighbor = async (): Promise<Record<string, unknown>> => {
  const all = JSON.parse(await frr.sh('show bgp neighbors 10.0.1.10 json')) as Record<string, Record<string, unknown>>;
  return all['10.0.1.10']!;
};

/** Sessions that have come up since the beginning, as we count them. */
const ups = async (address: string): Promise<number> =>
  Number(/Connections established (\d+)/.exec(await grevy.sh(`show bgp neighbors ${address}`))![1]);
const upAgain = async (address: string, change: () => Promise<unknown>): Promise<void> => {
  const before = await ups(address);
  await change();
  await until(async () => (await ups(address)) > before, { what: `the next session with ${address}` });
  await established(address);
};

test('extended optional parameters (RFC 9072): FRR and BIRD read ours, and we read FRR’s', async () => {
  await both();
  assert.equal((await neighbor())['extendedOptionalParametersLength'], false);
  const enabled = /Extended Optional Parameters Length is enabled/;
  for (const address of ['10.0.1.1', '10.0.2.2']) {
    await upAgain(address, () => ours(`neighbor ${address} extended-optional-parameters`));
    await says(grevy, `show bgp neighbors ${address}`, enabled);
    // With what was in it, as in the short form.
    await says(grevy, `show bgp neighbors ${address}`, /Enhanced Route Refresh: advertised and received/);
    await upAgain(address, () => ours(`no neighbor ${address} extended-optional-parameters`));
  }
  const capabilities = (await neighbor())['neighborCapabilities'];
  // FRR 8.4.4, told to use it, reads nothing else.
  await ours('neighbor 10.0.1.1 extended-optional-parameters');
  await theirs('neighbor 10.0.1.10 extended-optional-parameters');
  await upAgain('10.0.1.1', () => frr.sh('clear bgp 10.0.1.10'));
  await says(frr, 'show bgp neighbors 10.0.1.10', enabled);
  await says(grevy, 'show bgp neighbors 10.0.1.1', /Hostname Capability: .* received \(name: frr,/);
  assert.deepEqual((await neighbor())['neighborCapabilities'], capabilities);
  await theirs('no neighbor 10.0.1.10 extended-optional-parameters');
  await ours('no neighbor 10.0.1.1 extended-optional-parameters');
  await both();
});

test('maximum-prefix-out: FRR and BIRD are told of so many, and a place that becomes free is taken', async () => {
  await ours(FAMILY, 'neighbor 10.0.1.1 maximum-prefix-out 2', 'neighbor 10.0.2.2 maximum-prefix-out 1');
  await says(bird, 'show route count', /^2 of 2 routes/m); // ours and its own
  await says(grevy, 'show bgp neighbors 10.0.1.1', /Maximum allowed prefixes sent 2\n/);
  const known = async (): Promise<string[]> => {
    const { routes } = JSON.parse(await frr.sh('show bgp ipv4 unicast json')) as { routes: object };
    return Object.keys(routes).filter(name => !name.startsWith('10.1.'));
  };
  let told: string[] = [];
  const two = (without = ''): Promise<boolean> =>
    until(
      async () => {
        told = await known();
        return told.length === 2 && !told.includes(without);
      },
      { timeoutMs: 20_000, what: () => `two prefixes, not ${told.join(' ')}` },
    );
  await two();
  const gone = told.find(name => name.startsWith('10.10.'));
  assert.ok(gone !== undefined);
  await ours(FAMILY, `no network ${gone}`);
  await two(gone);
  await ours(
    FAMILY,
    `network ${gone}`,
    'no neighbor 10.0.1.1 maximum-prefix-out',
    'no neighbor 10.0.2.2 maximum-prefix-out',
  );
  await says(frr, 'show bgp ipv4 unicast', /Displayed +6 routes/); // two of its own, three of ours, one of BIRD's
  await says(bird, 'show route count', /^6 of 6 routes/m);
});

test('maximum-prefix: FRR’s limit ends our session and says how many it takes; ours with force ends FRR’s', async () => {
  await theirs(FAMILY, 'neighbor 10.0.1.10 maximum-prefix 3');
  await says(grevy, 'show bgp neighbors 10.0.1.1', /Notification received \(Cease\/Maximum Number of Prefixes Reached/);
  await theirs(FAMILY, 'no neighbor 10.0.1.10 maximum-prefix 3');
  await frr.sh('clear bgp 10.0.1.10');
  await both();
  await configure(grevy, 'route-map NONE deny 10');
  await ours(FAMILY, 'neighbor 10.0.1.1 route-map NONE in', 'neighbor 10.0.1.1 maximum-prefix 1');
  await says(grevy, 'show bgp summary', /10\.0\.1\.1 +4 +65001 .* 0 +\d+ N\/A/);
  await ours(FAMILY, 'neighbor 10.0.1.1 maximum-prefix 1 force');
  await says(frr, 'show bgp neighbors 10.0.1.10', /Cease\/Maximum Number of Prefixes Reached/);
  await says(grevy, 'show bgp neighbors 10.0.1.1', /Reduce the no\. of prefix and clear ip bgp 10\.0\.1\.1/);
  await logged(/%MAXPFXEXCEED: No\. of IPv4 Unicast prefix received from 10\.0\.1\.1 2 exceed, limit 1/);
  await ours(FAMILY, 'no neighbor 10.0.1.1 maximum-prefix', 'no neighbor 10.0.1.1 route-map NONE in');
  await grevy.sh('clear bgp 10.0.1.1');
  await both();
});

test('shutdown communication (RFC 9003): FRR and BIRD show our words, and we theirs', async () => {
  const long = `Wartung für ${'Straßen und Brücken '.repeat(9)}…`; // more than the 128 octets of RFC 8203
  assert.ok(Buffer.byteLength(long) > 200);
  const heard = async (text: string): Promise<void> => {
    const said = text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    // FRR's show forgets it with the next attempt; its log spells what is not ASCII.
    const spelt = Buffer.from(text)
      .toString('latin1')
      .replace(/[\x80-\xff]/g, one => `\\x${one.charCodeAt(0).toString(16)}`);
    await until(() => readFileSync(frrLog, 'utf8').includes(`"${spelt}"`), {
      timeoutMs: 20_000,
      what: () => `${spelt} in FRR's log: ${readFileSync(frrLog, 'utf8')}`,
    });
    await says(bird, 'show protocols all grevy', new RegExp(`Message: +${said}\\n`));
  };
  const end = Promise.all([
    ours(`neighbor 10.0.1.1 shutdown message ${long}`),
    ours(`neighbor 10.0.2.2 shutdown message ${long}`),
  ]);
  await Promise.all([end, heard(long)]);
  await says(grevy, 'show bgp summary', /10\.0\.1\.1 .* Idle \(Admin\)/);
  await Promise.all(['10.0.1.1', '10.0.2.2'].map(address => ours(`no neighbor ${address} shutdown`)));
  await both();
  await Promise.all([ours('bgp shutdown message all of it'), heard('all of it')]);
  await says(grevy, 'show bgp neighbors 10.0.1.1', /Administratively shut down/);
  await logged(/connection from 10\.0\.[12]\.[12] refused: Admin\. shutdown/);
  await ours('no bgp shutdown');
  await both();
  await Promise.all([upAgain('10.0.2.2', () => grevy.sh('clear bgp * message once more')), heard('once more')]);
  await both();

  const told = async (address: string, pattern: RegExp): Promise<void> => {
    await says(grevy, `show bgp neighbors ${address}`, pattern);
    await logged(
      new RegExp(`neighbor ${address} in vrf default Down BGP Notification received: Cease/.*${pattern.source}`),
    );
  };
  await theirs('neighbor 10.0.1.10 shutdown message sleep well');
  await told('10.0.1.1', /"sleep well"/);
  const json = JSON.parse(await grevy.sh('show bgp neighbors 10.0.1.1 json')) as Record<string, object>;
  assert.ok('lastShutdownDescription' in json['10.0.1.1']!);
  await theirs('no neighbor 10.0.1.10 shutdown message sleep well', 'no neighbor 10.0.1.10 shutdown');
  await both();
  await bird.sh('disable grevy "back soon"');
  await told('10.0.2.2', /"back soon"/);
  await bird.sh('enable grevy');
  await both();
});

test('graceful shutdown (RFC 8326): what FRR marks is the last choice here, and what we mark is there and for BIRD', async () => {
  await both();
  const path = (pattern: RegExp): Promise<string> => says(grevy, 'show bgp ipv4 unicast 10.1.0.0/24', pattern);
  await path(/^(?![^]*(localpref 0|Community))/);
  await theirs('bgp graceful-shutdown');
  await path(/localpref 0,[^]*Community: graceful-shutdown/);
  // A policy of ours has no say in it: it comes before.
  await configure(grevy, 'route-map PREFER permit 10', 'set local-preference 300');
  await ours(FAMILY, 'neighbor 10.0.1.1 route-map PREFER in');
  await says(grevy, 'show bgp neighbors 10.0.1.1', /Route map for incoming advertisements is \*PREFER/);
  await path(/localpref 0,[^]*Community: graceful-shutdown/);
  await theirs('no bgp graceful-shutdown');
  await path(/localpref 300,(?![^]*Community)/);
  await ours(FAMILY, 'no neighbor 10.0.1.1 route-map PREFER in');
  for (const lines of [['router bgp 65010', 'bgp graceful-shutdown'], ['bgp graceful-shutdown']]) {
    await configure(grevy, ...lines);
    await says(frr, 'show bgp ipv4 unicast 10.10.0.0/24', /localpref 0,[^]*Community: graceful-shutdown/);
    await says(bird, 'show route all for 10.10.0.0/24', /BGP\.community: \(65535,0\)/);
    await configure(grevy, ...lines.slice(0, -1), `no ${lines.at(-1)}`);
    await says(frr, 'show bgp ipv4 unicast 10.10.0.0/24', /^(?![^]*Community)[^]*65010/);
  }
});

test('a route marked BLACKHOLE (RFC 7999) goes no further, here as with FRR', async () => {
  await reconfigureBird('bgp_community.add((65535, 666));');
  await says(grevy, 'show bgp ipv4 unicast 10.2.0.0/24', /Community: blackhole no-export\n/);
  await says(frr, 'show bgp ipv4 unicast 10.2.0.0/24', /not in table/);
  await configure(grevy, 'route-map DROP permit 10', 'set community blackhole');
  await ours(FAMILY, 'neighbor 10.0.1.1 route-map DROP out');
  await says(frr, 'show bgp ipv4 unicast 10.10.0.0/24', /Community: blackhole no-export\n/);
  await ours(FAMILY, 'no neighbor 10.0.1.1 route-map DROP out');
  await reconfigureBird();
  await says(frr, 'show bgp ipv4 unicast 10.2.0.0/24', /65010 65002\n/);
});

test('roles (RFC 9234): FRR and BIRD agree or refuse as we do, and show OTC where it goes', async () => {
  await both();
  // We are FRR's customer, and BIRD's provider.
  await theirs('neighbor 10.0.1.10 local-role provider');
  await Promise.all([
    upAgain('10.0.1.1', () => ours('neighbor 10.0.1.1 local-role customer')),
    upAgain('10.0.2.2', () => ours('neighbor 10.0.2.2 local-role provider strict-mode')).catch(() => {}),
    reconfigureBird('', 'local role customer; require roles on;'),
  ]);
  await both();
  await says(
    frr,
    'show bgp neighbors 10.0.1.10',
    /Local Role: provider\n {2}Remote Role: customer\n[^]* {4}Role: advertised and received\n/,
  );
  const shown = /Local Role: customer\n {2}Remote Role: provider\n[^]* {4}Role: advertised and received\n/;
  await says(grevy, 'show bgp neighbors 10.0.1.1', shown);
  const json = JSON.parse(await grevy.sh('show bgp neighbors 10.0.1.1 json')) as Record<
    string,
    Record<string, unknown>
  >;
  const { localRole, remoteRole, neighborCapabilities } = json['10.0.1.1']!;
  const mirror = await neighbor();
  assert.deepEqual([localRole, remoteRole], [mirror['remoteRole'], mirror['localRole']]);
  assert.equal(
    (neighborCapabilities as { role: string }).role,
    (mirror['neighborCapabilities'] as { role: string }).role,
  );
  await says(bird, 'show protocols all grevy', /Role: (customer|provider)/);

  // Down: from our provider to our customer, marked by the one above; FRR marks what it sends us.
  await says(grevy, 'show bgp ipv4 unicast 10.1.0.0/24', /external, otc 65001,/);
  await says(bird, 'show route all for 10.1.0.0/24', /BGP\.otc: 65001/);
  await says(bird, 'show route all for 10.10.0.0/24', /BGP\.otc: 65010/);
  // Up: our customer's and our own, unmarked.
  await says(frr, 'show bgp ipv4 unicast 10.2.0.0/24', /^(?![^]*otc)[^]*65010 65002/);
  await says(frr, 'show bgp ipv4 unicast 10.10.0.0/24', /^(?![^]*otc)[^]*65010\n/);

  // A customer that says no role, and sends what somebody marked: a leak, where we do not insist.
  await reconfigureBird('bgp_otc = 64999;');
  await says(grevy, 'show bgp neighbors 10.0.2.2', /OPEN Message Error\/Role Mismatch/);
  await ours('neighbor 10.0.2.2 local-role provider');
  await both();
  await says(grevy, 'show bgp ipv4 unicast neighbors 10.0.2.2 filtered-routes', /10\.2\.0\.0\/24/);
  await says(grevy, 'show bgp ipv4 unicast 10.2.0.0/24', /not in table/);
  await says(frr, 'show bgp ipv4 unicast 10.2.0.0/24', /not in table/);

  // Across: what came from BIRD, our provider now, is kept from FRR, our peer.
  await theirs('neighbor 10.0.1.10 local-role peer');
  await ours('neighbor 10.0.1.1 local-role peer', 'neighbor 10.0.2.2 local-role customer');
  await reconfigureBird('', 'local role provider;');
  await both();
  await says(grevy, 'show bgp ipv4 unicast 10.2.0.0/24', /otc 65002,/);
  await says(frr, 'show bgp ipv4 unicast 10.10.0.0/24', /external, otc 65010,/);
  await says(frr, 'show bgp ipv4 unicast 10.2.0.0/24', /not in table/);

  // They do not fit.
  await ours('neighbor 10.0.1.1 local-role provider');
  const refusals = (): number =>
    readFileSync(frrLog, 'utf8').split('2/11 (OPEN Message Error/Role Mismatch)').length - 1;
  await until(() => refusals() > 0, { what: 'FRR to hear of it, or to say it' });
  await says(grevy, 'show bgp neighbors 10.0.1.1', /OPEN Message Error\/Role Mismatch/);
  await ours('no neighbor 10.0.1.1 local-role peer', 'no neighbor 10.0.2.2 local-role');
  await theirs('no neighbor 10.0.1.10 local-role peer');
  // BIRD insists, and we have none.
  await reconfigureBird('', 'local role provider; require roles on;');
  await says(grevy, 'show bgp neighbors 10.0.2.2', /Notification received \(OPEN Message Error\/Role Mismatch/);
  await reconfigureBird();
  await both();
});

test('listen range: FRR and BIRD come by themselves, with the group’s settings, and are gone with their sessions', async () => {
  await both();
  await ours(
    'no neighbor 10.0.1.1',
    'no neighbor 10.0.2.2',
    'neighbor DYN peer-group',
    'neighbor DYN remote-as external',
    'neighbor DYN password first',
    'bgp listen range 10.0.0.0/22 peer-group DYN',
    FAMILY,
    'neighbor DYN maximum-prefix-out 1',
  );
  await theirs('neighbor 10.0.1.10 password first');
  await established('10.0.1.1');
  await says(
    grevy,
    'show bgp summary',
    /\n\*10\.0\.1\.1 +4 +65001 [^]*\n\nTotal number of neighbors 1\n\* - dynamic neighbor\n1 dynamic neighbor\(s\), limit 100\n/,
  );
  await says(
    grevy,
    'show bgp neighbors 10.0.1.1',
    /neighbor is \*10\.0\.1\.1, remote AS 65001, [^]*peer-group DYN [^]*subnet range group: 10\.0\.0\.0\/22\n/,
  );
  await until(
    async () =>
      Object.keys((JSON.parse(await frr.sh('show bgp ipv4 unicast json')) as { routes: object }).routes).length === 3,
    { timeoutMs: 20_000, what: 'two prefixes of its own and one of ours' },
  );
  // Nobody configures it.
  await assert.rejects(
    ours('neighbor 10.0.1.1 description x'),
    /% Operation not allowed on a dynamic neighbor: 10\.0\.1\.1/,
  );
  // The limit is one more than there are, then not.
  await ours('no neighbor DYN password', 'bgp listen limit 1');
  await theirs('no neighbor 10.0.1.10 password');
  await logged(/refused: limit of 1 dynamic neighbors reached/);
  await ours('bgp listen limit 2');
  await both();
  await says(grevy, 'show bgp summary', /2 dynamic neighbor\(s\), limit 2\n/);
  // It goes, with its routes and its name.
  await theirs('neighbor 10.0.1.10 shutdown');
  await says(grevy, 'show bgp neighbors 10.0.1.1', /No such neighbor/);
  await says(grevy, 'show bgp ipv4 unicast 10.1.0.0/24', /not in table/);
  await theirs('no neighbor 10.0.1.10 shutdown');
  await both();
  // One that is configured takes its place; the other one goes with the range.
  await ours(
    'neighbor 10.0.1.1 remote-as 65001',
    'neighbor 10.0.1.1 timers connect 1',
    'no bgp listen range 10.0.0.0/22 peer-group DYN',
  );
  await says(grevy, 'show bgp summary', /\n10\.0\.1\.1 +4 +65001 [^]*Total number of neighbors 1\n$/);
  await established('10.0.1.1');
  await ours(
    'neighbor 10.0.2.2 remote-as 65002',
    'neighbor 10.0.2.2 timers connect 1',
    'no neighbor DYN peer-group',
    'no bgp listen limit',
  );
  await both();
});

test('listen range of FRR: we are its dynamic neighbour', async () => {
  await theirs(
    'no neighbor 10.0.1.10',
    'neighbor DYN peer-group',
    'neighbor DYN remote-as external',
    'bgp listen range 10.0.1.0/24 peer-group DYN',
  );
  const dynamic =
    /\n\*10\.0\.1\.10 +4 +65010 [^]*\n\nTotal number of neighbors 1\n\* - dynamic neighbor\n1 dynamic neighbor\(s\), limit 100\n/;
  await says(frr, 'show bgp summary', dynamic);
  await established('10.0.1.1');
  await ours('neighbor 10.0.1.1 shutdown');
  await says(frr, 'show bgp neighbors 10.0.1.10', /No such neighbor/);
  await ours('no neighbor 10.0.1.1 shutdown');
  await says(frr, 'show bgp summary', dynamic);
  await both();
});

test('without a policy an external neighbour is told and believed nothing (RFC 8212), and both shows say so', async () => {
  await theirs('no bgp listen range 10.0.1.0/24 peer-group DYN', 'no neighbor DYN peer-group');
  await theirs('neighbor 10.0.1.10 remote-as 65010', 'neighbor 10.0.1.10 timers connect 1', 'bgp ebgp-requires-policy');
  await ours('bgp ebgp-requires-policy');
  await both();
  const marks = async (router: Daemon, address: string): Promise<string> => {
    const shown = await says(router, 'show bgp summary', new RegExp(`${address} .* \\(Policy\\)`));
    return new RegExp(`${address} .*`)
      .exec(shown)![0]
      .replace(/^.*?\d\d:\d\d:\d\d/, '')
      .trim();
  };
  assert.equal(await marks(grevy, '10.0.1.1'), await marks(frr, '10.0.1.10'));
  await says(
    grevy,
    'show bgp neighbors 10.0.1.1',
    /Inbound updates discarded due to missing policy\n *Outbound updates discarded/,
  );
  await says(grevy, 'show bgp ipv4 unicast 10.1.0.0/24', /not in table/);
  await configure(grevy, 'route-map ANY permit 10');
  await ours(FAMILY, 'neighbor 10.0.1.1 route-map ANY in');
  await theirs('no bgp ebgp-requires-policy');
  await says(grevy, 'show bgp summary', /10\.0\.1\.1 .* 2 +\(Policy\) N\/A/);
  await says(frr, 'show bgp ipv4 unicast 10.10.0.0/24', /not in table/);
  await ours('no bgp ebgp-requires-policy', FAMILY, 'no neighbor 10.0.1.1 route-map ANY in');
  await says(frr, 'show bgp ipv4 unicast 10.10.0.0/24', /65010/);
});
