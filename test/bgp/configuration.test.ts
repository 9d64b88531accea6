// The configuration of a speaker as an operator makes it, line by line: what is undone is gone with all that hung on it, and
// what is written can be read again and means the same. FRR 8.4.4 is the judge of what a line takes along.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import fc from 'fast-check';
import { closeAll, Speaker } from './lib/configured.ts';

afterEach(closeAll);

/** `router bgp 1` with these lines, as it is shown afterwards, without its frame. */
function shown(lines: string): string {
  const speaker = new Speaker();
  assert.equal(speaker.type(`router bgp 1\n${lines}`), '');
  return inside(speaker);
}

function inside(speaker: Speaker): string {
  return speaker.tree.text.replace(/^router bgp 1\n|exit\n!\n$/g, '').replace(/^ /gm, '');
}

const NEIGHBOR = `neighbor 10.1.1.1 remote-as 2
neighbor 10.1.1.1 description foo
neighbor 10.1.1.1 passive
address-family ipv4 unicast
 neighbor 10.1.1.1 route-map RM in
 no neighbor 10.1.1.1 activate
exit
`;
const GROUP = 'neighbor G peer-group\nneighbor G description theirs\n';

void test('a neighbour without remote-as is gone with all its lines, whatever number is typed', () => {
  for (const number of ['2', '3']) assert.equal(shown(`${NEIGHBOR}no neighbor 10.1.1.1 remote-as ${number}`), '');
  assert.equal(shown(`${NEIGHBOR}no neighbor 10.1.1.1`), '');
  const again = `${NEIGHBOR}no neighbor 10.1.1.1 remote-as 2\nneighbor 10.1.1.1 remote-as 5`;
  assert.equal(shown(again), 'neighbor 10.1.1.1 remote-as 5\n');
});

void test('a neighbour that leaves its group is gone, and a group takes its members along', () => {
  const member = 'neighbor 10.1.1.1 peer-group G\n';
  assert.equal(shown(`${GROUP}${NEIGHBOR}${member}no neighbor 10.1.1.1 peer-group G`), GROUP);
  assert.equal(shown(`${GROUP}${NEIGHBOR}${member}no neighbor 10.1.1.1 remote-as 2`), GROUP);
  assert.equal(shown(`${GROUP}${NEIGHBOR}${member}no neighbor G peer-group`), '');
  assert.equal(shown(`${GROUP}${NEIGHBOR}${member}no neighbor G`), '');
  const shared = `${GROUP}neighbor G remote-as 9\n${member}neighbor 10.1.1.1 description foo\n`;
  assert.equal(shown(`${shared}no neighbor G remote-as 9`), GROUP);
});

void test("a group's AS is its members', and none has another one", () => {
  const member = 'neighbor 10.1.1.1 peer-group G\n';
  const theirs = 'neighbor G peer-group\nneighbor G remote-as 9\nneighbor 10.1.1.1 peer-group G\n';
  assert.equal(shown(`neighbor G peer-group\nneighbor 10.1.1.1 remote-as 7\n${member}neighbor G remote-as 9`), theirs);
  assert.equal(
    shown(`neighbor 10.1.1.1 remote-as 7\nneighbor G peer-group\nneighbor G remote-as 9\n${member}`),
    theirs,
  );
  const speaker = new Speaker(`router bgp 1\n${theirs}neighbor H peer-group\n`);
  assert.equal(
    speaker.type('router bgp 1\nneighbor 10.1.1.1 remote-as 7\nneighbor 10.1.1.1 peer-group H'),
    '% Peer-group member cannot override remote-as of peer-group: 10.1.1.1 is in G\n' +
      '% Cannot change the peer-group of 10.1.1.1 from G to H. Deconfigure first',
  );
});

void test('nothing is stored about a neighbour that is not there', () => {
  const speaker = new Speaker();
  const said = speaker.type(`router bgp 1
neighbor 10.1.1.1 description foo
address-family ipv4 unicast
no neighbor 10.1.1.1 activate
no neighbor 10.1.1.1 send-community`);
  assert.equal(said, Array(3).fill('% Specify remote-as or peer-group commands first: 10.1.1.1').join('\n'));
  assert.doesNotMatch(speaker.tree.text, /neighbor/);
});

void test('a reload that puts a neighbour into a group keeps what both texts say of it', () => {
  const said = 'neighbor 10.1.1.1 description foo\nneighbor 10.1.1.1 passive\n';
  const speaker = new Speaker(`router bgp 1\nneighbor 10.1.1.1 remote-as 7\n${said}`);
  const text = `router bgp 1\nneighbor G peer-group\nneighbor G remote-as 9\nneighbor 10.1.1.1 peer-group G\n${said}`;
  speaker.load(text);
  assert.deepEqual(speaker.state, new Speaker(text).state);
});

void test('an activation that is taken back leaves the default', () => {
  const text = (line: string): string =>
    `router bgp 1\nneighbor 10.1.1.1 remote-as 7\naddress-family ipv6 unicast\n${line}\nexit-address-family\n`;
  const speaker = new Speaker(text('no neighbor 10.1.1.1 activate'));
  speaker.load(text(''));
  assert.deepEqual(speaker.state, new Speaker(text('')).state);
});

void test('what is typed without an address family is a line of IPv4, whichever way it is typed', () => {
  const family = (lines: string): string => `!\naddress-family ipv4 unicast\n${lines}exit-address-family\n`;
  const outside = 'redistribute connected\nnetwork 14.0.0.0/8\nmaximum-paths 4\ndistance bgp 1 2 3\n';
  const inside = ' distance bgp 1 2 3\n network 14.0.0.0/8\n redistribute connected\n maximum-paths 4\n';
  assert.equal(shown(outside), family(inside));
  assert.equal(shown(`address-family ipv4 unicast\n${outside}`), family(inside));
  const undo = outside.replace(/^/gm, 'no ').replace(/\nno $/, '\n');
  assert.equal(shown(`${outside}address-family ipv4 unicast\n${undo}`), '');
  assert.equal(shown(`address-family ipv4\n${outside}exit\n${undo}`), '');
  assert.equal(shown(undo), '');
  const peer = 'neighbor 10.1.1.1 remote-as 2\n';
  const both = `${peer}neighbor 10.1.1.1 route-map A in\naddress-family ipv4 unicast\nneighbor 10.1.1.1 route-map B in\n`;
  assert.equal(shown(both), `${peer}${family(' neighbor 10.1.1.1 route-map B in\n')}`);
  assert.equal(shown(`${both}exit\nno neighbor 10.1.1.1 route-map B in`), peer);
  const negative = ' no neighbor 10.1.1.1 activate\n no neighbor 10.1.1.1 send-community\n';
  assert.equal(shown(`${peer}${negative}`), `${peer}${family(negative)}`);
});

void test('a network is its prefix, however it is typed', () => {
  const four = (lines: string): string => `!\naddress-family ipv4 unicast\n${lines}exit-address-family\n`;
  const written = four(' network 10.77.0.0/24 route-map RM\n');
  for (const typed of [
    '10.77.0.5/24',
    '10.77.0.0/24',
    '10.77.0.5 mask 255.255.255.0',
    '10.77.0.0 mask 255.255.255.0',
  ]) {
    assert.equal(shown(`network ${typed} route-map RM`), written);
    assert.equal(shown(`network 10.77.0.9/24 route-map RM\nno network ${typed}`), '');
  }
  const classes = [' network 10.0.0.0/8', ' network 172.16.0.0/16', ' network 192.0.2.0/24', ' network 0.0.0.0/0'];
  assert.equal(
    shown('network 10.1.2.3\nnetwork 172.16.1.1\nnetwork 192.0.2.9\nnetwork 0.0.0.0'),
    four(`${classes.join('\n')}\n`),
  );
  const six = 'address-family ipv6 unicast\n network 2001:DB8::1/32\n';
  assert.equal(shown(six), '!\naddress-family ipv6 unicast\n network 2001:db8::/32\nexit-address-family\n');
  assert.equal(shown(`${six} no network 2001:db8:0:1::/32`), '');
  const speaker = new Speaker('router bgp 1\n');
  const said = speaker.type(`router bgp 1
network 240.0.0.0
network 10.0.0.0 mask 255.0.255.0
network 2001:db8::/32
address-family ipv6 unicast
network fe80::/64`);
  assert.equal(
    said,
    `% Inconsistent address and mask: 240.0.0.0 is of no class
% Inconsistent address and mask: 255.0.255.0 is no mask
% Malformed prefix: 2001:db8::/32 is not of IPv4 Unicast
% Malformed prefix (link-local address): fe80::/64`,
  );
});

void test('a prefix of a list has no host bits either', () => {
  const speaker = typed('ip prefix-list P permit 10.9.9.9/16 le 24\nipv6 prefix-list P seq 7 deny 2001:db8::5/32\n');
  assert.equal(
    speaker.tree.text,
    'ip prefix-list P seq 5 permit 10.9.0.0/16 le 24\n!\nipv6 prefix-list P seq 7 deny 2001:db8::/32\n!\n',
  );
  assert.equal(
    speaker.type('ip prefix-list P permit 10.9.3.0/16 le 24\nno ip prefix-list P permit 10.9.1.1/16 le 24'),
    '',
  );
  assert.equal(speaker.tree.text, 'ipv6 prefix-list P seq 7 deny 2001:db8::/32\n!\n');
});

void test('router-id 0.0.0.0 takes the router id back, so that it is chosen as if none were configured', () => {
  assert.equal(shown('bgp router-id 10.0.0.1\nbgp router-id 0.0.0.0'), '');
  assert.equal(shown('bgp router-id 0.0.0.0'), '');
  assert.equal(shown('no bgp router-id 0.0.0.0'), '');
  const speaker = typed('router bgp 1\nbgp router-id 10.0.0.1\n');
  assert.equal(speaker.bgp.instance().routerId, 0x0a000001);
  speaker.type('bgp router-id 0.0.0.0');
  assert.equal(speaker.bgp.instance().options.routerId, undefined);
  assert.equal(new Speaker('router bgp 1\n bgp router-id 0.0.0.0\n').bgp.instance().options.routerId, undefined);
});

void test('a line that is refused says which value of it is wrong', () => {
  const speaker = new Speaker('router bgp 1\n neighbor 10.1.1.1 remote-as 2\n');
  const said = speaker.type(`router bgp 1
timers bgp 4 2
neighbor 10.1.1.1 timers 3 1
neighbor 10.1.1.2 peer-group NONE
neighbor NONE remote-as 5
exit
ip prefix-list P permit 10.0.0.0/24 ge 12
ip prefix-list P permit 10.0.0.0/24 le 12
ip prefix-list P permit 10.0.0.0/24 ge 28 le 26
ipv6 prefix-list P permit 2001:db8::/32 ge 48 le 40
route-map RM permit 10
on-match goto 5`);
  assert.equal(
    said,
    `% hold time value must be either 0 or at least 3: 2
% hold time value must be either 0 or at least 3: 1
% Configure the peer-group first: NONE
% Create the peer-group or interface first: NONE
% Invalid prefix range for 10.0.0.0/24 ge 12: make sure that mask length <= ge <= le <= 32
% Invalid prefix range for 10.0.0.0/24 le 12: make sure that mask length <= ge <= le <= 32
% Invalid prefix range for 10.0.0.0/24 ge 28 le 26: make sure that mask length <= ge <= le <= 32
% Invalid prefix range for 2001:db8::/32 ge 48 le 40: make sure that mask length <= ge <= le <= 128
% Can't jump backwards: to 5 from 10`,
  );
});

// ---- anything typed ---------------------------------------------------------------------------------------------------

const about = fc.constantFrom('10.1.1.1', '10.1.1.20', 'fd00::1', 'G', 'H');
const ofNeighbor = fc.constantFrom(
  'remote-as 1',
  'remote-as 2',
  'remote-as external',
  'peer-group',
  'peer-group G',
  'peer-group H',
  'description foo bar',
  'shutdown',
  'shutdown message away',
  'timers 5 15',
  'timers connect 7',
  'password p',
  'passive',
  'local-as 7 no-prepend',
  'ebgp-multihop 3',
  'graceful-restart-disable',
);
const ofNeighborInFamily = fc.constantFrom(
  'activate',
  'route-map RM in',
  'route-map RM out',
  'route-map OTHER in',
  'next-hop-self',
  'next-hop-self force',
  'send-community',
  'send-community large',
  'send-community both',
  'send-community all',
  'maximum-prefix 5',
);
const ofInstance = fc.constantFrom(
  'bgp router-id 10.0.0.1',
  'bgp router-id 0.0.0.0',
  'bgp graceful-restart-disable',
  'bgp graceful-restart restart-time 33',
  'bgp ebgp-requires-policy',
  'timers bgp 4 12',
);
const ofFamily = fc.constantFrom(
  'network 10.77.0.0/24',
  'network 10.77.0.9/24 route-map RM',
  'network 10.77.0.1 mask 255.255.255.0',
  'redistribute connected',
  'redistribute connected metric 5',
  'maximum-paths 4',
  'maximum-paths ibgp 4',
);
const all = about.map(name => `no neighbor ${name}`);
const named = (tail: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.tuple(about, tail).map(([name, words]) => `neighbor ${name} ${words}`);
const undone = (line: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.tuple(fc.constantFrom('', '', 'no '), line).map(words => words.join(''));
const inFamily = undone(fc.oneof({ weight: 2, arbitrary: named(ofNeighborInFamily) }, ofFamily));
const inRouter = fc.oneof(
  all,
  { weight: 4, arbitrary: undone(fc.oneof({ weight: 4, arbitrary: named(ofNeighbor) }, ofInstance)) },
  inFamily,
);
const typedIn = (opener: string, line: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.array(line, { minLength: 1, maxLength: 12 }).map(lines => `${opener}\n${lines.join('\n')}\nexit\n`);
const block = fc.oneof(
  { weight: 2, arbitrary: typedIn('', inRouter) },
  typedIn('address-family ipv4 unicast', inFamily),
  typedIn('address-family ipv6 unicast', inFamily),
);
const session = fc
  .array(block, { minLength: 1, maxLength: 6 })
  .map(blocks => blocks.map(lines => `router bgp 1\n${lines}exit`).join('\n'));

function typed(text: string): Speaker {
  const speaker = new Speaker();
  speaker.type(text);
  return speaker;
}

void test('whatever is typed and undone, the text that is saved reads back as the same configuration', () => {
  fc.assert(
    fc.property(session, text => {
      const speaker = typed(text);
      const again = new Speaker(speaker.tree.text);
      assert.equal(again.tree.text, speaker.tree.text);
      assert.deepEqual(again.state, speaker.state, speaker.tree.text);
      closeAll();
    }),
    { numRuns: 400 },
  );
});

void test('a reload leads from any configuration to any other', () => {
  const sorted = (text: string): string[] => text.split('\n').sort();
  fc.assert(
    fc.property(session, session, (first, second) => {
      const speaker = typed(first);
      const { text } = typed(second).tree;
      speaker.load(text);
      assert.deepEqual(sorted(speaker.tree.text), sorted(text));
      assert.deepEqual(speaker.state, new Speaker(text).state);
      closeAll();
    }),
    { numRuns: 400 },
  );
});

void test('what FRR has and would mean nothing here is refused with the reason', () => {
  const speaker = new Speaker('router bgp 1\nneighbor 10.1.1.1 remote-as 2\n');
  const refused = (line: string): string => speaker.type(`router bgp 1\n${line}`);
  for (const line of [
    'bgp default subgroup-pkt-queue-max 40',
    'neighbor 10.1.1.1 capability dynamic',
    'neighbor 10.1.1.1 capability orf prefix-list both',
    'neighbor 10.1.1.1 override-capability',
  ]) {
    assert.match(refused(line), /^% [\w -]+ is not supported: .{20}/, line);
  }
  assert.equal(inside(speaker), 'neighbor 10.1.1.1 remote-as 2\n');
});

void test('limits in messages stand where FRR writes them, and are gone when they are undone', () => {
  const quanta = 'bgp router-id 1.1.1.1\nwrite-quanta 32\nread-quanta 5\ntimers bgp 3 9\n';
  assert.equal(shown('timers bgp 3 9\nread-quanta 4\nread-quanta 5\nwrite-quanta 32\nbgp router-id 1.1.1.1'), quanta);
  assert.equal(shown(`${quanta}no read-quanta 7\nno write-quanta`), 'bgp router-id 1.1.1.1\ntimers bgp 3 9\n');
  const text = 'bgp no-rib\nbgp input-queue-limit 4294967295\nbgp output-queue-limit 1\n!\n';
  const speaker = new Speaker(text);
  assert.equal(speaker.tree.text, text);
  assert.deepEqual([speaker.bgp.inputQueueLimit, speaker.bgp.outputQueueLimit], [4294967295, 1]);
  assert.equal(speaker.type('no bgp input-queue-limit\nno bgp output-queue-limit 9\nbgp output-queue-limit 7'), '');
  assert.equal(speaker.tree.text, 'bgp no-rib\nbgp output-queue-limit 7\n!\n');
  assert.deepEqual([speaker.bgp.inputQueueLimit, speaker.bgp.outputQueueLimit], [0, 7]);
  for (const line of ['bgp output-queue-limit 0', 'bgp input-queue-limit 4294967296', 'router bgp 1\nread-quanta 11']) {
    assert.match(speaker.type(line), /^% Unknown command/);
  }
});
