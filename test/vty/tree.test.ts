import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  CommandError,
  type CommandSet,
  commandSet,
  config,
  ConfigTree,
  Grammar,
  loadConfig,
  wordsOf,
} from '../../src/vty/index.ts';

const nothing = (): void => {};
const peer = '<A.B.C.D|X:X::X:X>$peer';

const set: CommandSet<object> = commandSet<object>(
  'test',
  [
    config({
      mode: 'configure',
      syntax: 'hostname WORD',
      help: [],
      key: () => 'hostname',
      apply: nothing,
      remove: nothing,
    }),
    config({
      mode: 'configure',
      syntax: 'ip route A.B.C.D/M$prefix <A.B.C.D$gateway|INTERFACE> [(1-255)$distance]',
      help: [],
      key: args => `ip route ${args.prefix} ${args.gateway ?? args.interface}`,
      apply: nothing,
      remove: nothing,
    }),
    config({
      mode: 'configure',
      syntax: 'interface IFNAME',
      help: [],
      opens: 'interface',
      apply: nothing,
      remove: nothing,
    }),
    config({
      mode: 'interface',
      syntax: 'ip address A.B.C.D/M',
      help: [],
      hostBits: true,
      apply: nothing,
      remove: nothing,
    }),
    config({
      mode: 'interface',
      syntax: 'description LINE...',
      help: [],
      key: () => 'description',
      apply: nothing,
      remove: nothing,
    }),
    config({
      mode: 'configure',
      syntax: 'router bgp (1-4294967295)$asn',
      help: [],
      opens: 'router-bgp',
      key: () => 'router bgp',
      apply: nothing,
      remove: nothing,
    }),
    config({
      mode: 'router-bgp',
      syntax: 'bgp router-id A.B.C.D',
      help: [],
      key: () => 'bgp router-id',
      apply: nothing,
      remove: nothing,
    }),
    config({
      mode: 'router-bgp',
      syntax: 'bgp ebgp-requires-policy',
      help: [],
      keeps: 'negative',
      apply: nothing,
      remove: nothing,
    }),
    config({
      mode: 'router-bgp',
      syntax: `neighbor ${peer} remote-as <(1-4294967295)|internal|external>$as`,
      help: [],
      key: args => `neighbor ${args['peer']} remote-as`,
      no: [`neighbor ${peer}`],
      apply: nothing,
      remove: nothing,
    }),
    config({
      mode: 'router-bgp',
      syntax: 'address-family <ipv4|ipv6>$afi unicast',
      help: [],
      opens: 'address-family',
      apply: nothing,
      remove: nothing,
    }),
    config({
      mode: ['address-family', 'router-bgp'],
      syntax: 'network A.B.C.D/M',
      help: [],
      apply: nothing,
      remove: nothing,
    }),
    config({
      mode: 'address-family',
      syntax: `neighbor ${peer} activate`,
      help: [],
      keeps: 'both',
      apply: nothing,
      remove: nothing,
    }),
    config({
      mode: 'configure',
      syntax:
        'ip prefix-list WORD$name [seq (1-4294967295)$seq] <deny|permit>$action <any|A.B.C.D/M$prefix> [le (0-32)$le]',
      help: [],
      key: args => `ip prefix-list ${args.name} seq ${args.seq}`,
      no: ['ip prefix-list WORD$name'],
      sequence: {
        group: args => args.name,
        of: args => args.seq,
        write: (args, seq) =>
          `ip prefix-list ${args.name} seq ${seq} ${args.action} ${args.prefix ?? 'any'}${args.le === undefined ? '' : ` le ${args.le}`}`,
      },
      apply: nothing,
      remove: nothing,
    }),
    config({
      mode: 'configure',
      syntax: 'route-map WORD$name <deny|permit>$action (1-65535)$seq',
      help: [],
      opens: 'route-map',
      key: args => `route-map ${args.name} ${args.seq}`,
      sequence: { group: args => args.name, of: args => args.seq },
      apply: nothing,
      remove: nothing,
    }),
    config({
      mode: 'route-map',
      syntax: 'match ip address prefix-list WORD',
      help: [],
      key: () => 'match ip address prefix-list',
      apply: nothing,
      remove: nothing,
    }),
  ],
  [
    { name: 'interface', prompt: '(config-if)', parent: 'configure' },
    { name: 'router-bgp', prompt: '(config-router)', parent: 'configure' },
    {
      name: 'address-family',
      prompt: '(config-router-af)',
      parent: 'router-bgp',
      implied: 'address-family ipv4 unicast',
      exit: 'exit-address-family',
    },
    { name: 'route-map', prompt: '(config-route-map)', parent: 'configure' },
  ],
);
const grammar = new Grammar([set]);

function read(text: string): ConfigTree {
  const { tree, problems } = loadConfig(grammar, text, 'test.conf');
  assert.deepEqual(problems, []);
  return tree;
}

void test('a configuration is written in the order of FRR, with its separators', () => {
  const tree = read(`
route-map OUT permit 20
route-map OUT permit 10
 match ip address prefix-list P
ip prefix-list P permit 10.0.0.0/8 le 24
ip prefix-list P permit any
router bgp 65001
 address-family ipv4 unicast
  network 10.0.0.0/8
  no neighbor 10.0.0.2 activate
 exit-address-family
 neighbor 10.0.0.2 remote-as external
 bgp router-id 10.0.0.1
interface eth0
 ip address 10.0.0.1/24
exit
ip route 192.0.2.0/24 10.0.0.9 5
hostname r1
`);
  assert.equal(
    tree.text,
    `hostname r1
!
ip route 192.0.2.0/24 10.0.0.9 5
!
interface eth0
 ip address 10.0.0.1/24
exit
!
router bgp 65001
 bgp router-id 10.0.0.1
 neighbor 10.0.0.2 remote-as external
 !
 address-family ipv4 unicast
  network 10.0.0.0/8
  no neighbor 10.0.0.2 activate
 exit-address-family
exit
!
ip prefix-list P seq 5 permit 10.0.0.0/8 le 24
ip prefix-list P seq 10 permit any
!
route-map OUT permit 10
 match ip address prefix-list P
exit
!
route-map OUT permit 20
exit
!
`,
  );
});

void test('a setting said twice counts once, and the later value stands', () => {
  const tree = read(
    'hostname a\nhostname b\nip route 10.0.0.0/8 eth0\nip route 10.0.0.0/8 eth0 7\nip route 10.0.0.0/8 eth1\n',
  );
  assert.equal(tree.text, 'hostname b\n!\nip route 10.0.0.0/8 eth0 7\nip route 10.0.0.0/8 eth1\n!\n');
});

void test('no takes lines back: in full, without its last words, with another value, or all that begin so', () => {
  const base = 'router bgp 1\n neighbor 10.0.0.1 remote-as 2\n neighbor 10.0.0.2 remote-as 3\n';
  const without = (no: string) => read(`${base} ${no}\n`).text;
  const expected = 'router bgp 1\n neighbor 10.0.0.2 remote-as 3\nexit\n!\n';
  assert.equal(without('no neighbor 10.0.0.1 remote-as 2'), expected);
  assert.equal(without('no neighbor 10.0.0.1 remote-as'), expected);
  assert.equal(without('no neighbor 10.0.0.1 remote-as 99'), expected);
  assert.equal(
    read(`${base} address-family ipv4 unicast\n  neighbor 10.0.0.1 activate\nexit\n no neighbor 10.0.0.1\n`).text,
    expected,
  );
  assert.equal(read('hostname x\nno hostname\n').text, '');
  assert.equal(
    read('ip prefix-list A permit any\nip prefix-list A deny any\nip prefix-list AB deny any\nno ip prefix-list A\n')
      .text,
    'ip prefix-list AB seq 5 deny any\n!\n',
  );
  assert.equal(
    read('ip prefix-list A permit any\nip prefix-list A deny any\nno ip prefix-list A permit any\n').text,
    'ip prefix-list A seq 10 deny any\n!\n',
  );
});

void test('a line of an implied block stands in it wherever it is typed, and what follows stays where it was', () => {
  const typed = 'router bgp 1\n network 10.0.0.0/8\n bgp router-id 10.0.0.1\n network 11.0.0.0/8\n';
  const opened = 'router bgp 1\n bgp router-id 10.0.0.1\n';
  const block = (lines: string): string => ` !\n address-family ipv4 unicast\n${lines} exit-address-family\n`;
  assert.equal(read(typed).text, `${opened}${block('  network 10.0.0.0/8\n  network 11.0.0.0/8\n')}exit\n!\n`);
  assert.equal(read(`${typed} no network 10.0.0.0/8\n`).text, `${opened}${block('  network 11.0.0.0/8\n')}exit\n!\n`);
  assert.equal(read(`${typed} address-family ipv4 unicast\n  network 10.0.0.0/8\n`).text, read(typed).text);
  assert.equal(read(`${typed} no network 10.0.0.0/8\n no network 11.0.0.0/8\n`).text, `${opened}exit\n!\n`);
  assert.equal(read('router bgp 1\n no network 10.0.0.0/8\n').text, 'router bgp 1\nexit\n!\n');
});

void test('a prefix is kept without its host bits, an address with them', () => {
  assert.equal(
    read('interface eth0\n ip address 10.0.0.1/24\nexit\nip route 10.0.0.5/24 eth0\nip route 10.0.0.9/24 eth0 7\n')
      .text,
    'ip route 10.0.0.0/24 eth0 7\n!\ninterface eth0\n ip address 10.0.0.1/24\nexit\n!\n',
  );
  assert.equal(read('ip route 10.0.0.5/24 eth0\nno ip route 10.0.0.7/24 eth0\n').text, '');
});

void test('a short no that does not say which line it means is refused', () => {
  const { problems } = loadConfig(grammar, 'ip route 10.0.0.0/8 eth0\nno ip route\n', 'x');
  assert.equal(problems[0]?.message, "more words are missing after 'no ip route'");
});

void test('a default that is on leaves a trace only when it is off', () => {
  assert.equal(
    read('router bgp 1\n no bgp ebgp-requires-policy\n').text,
    'router bgp 1\n no bgp ebgp-requires-policy\nexit\n!\n',
  );
  assert.equal(
    read('router bgp 1\n no bgp ebgp-requires-policy\n bgp ebgp-requires-policy\n').text,
    'router bgp 1\nexit\n!\n',
  );
});

void test('lines without a number are numbered by fives, and not twice', () => {
  const tree = read(
    'ip prefix-list P seq 12 deny any\nip prefix-list P permit any\nip prefix-list P permit any\nip prefix-list P deny any le 9\n',
  );
  assert.equal(
    tree.text,
    'ip prefix-list P seq 12 deny any\nip prefix-list P seq 15 permit any\n!\n'.replace(
      '!',
      'ip prefix-list P seq 20 deny any le 9\n!',
    ),
  );
});

void test('every line that is not understood is named with its number and words, and nothing else is lost', () => {
  const { tree, problems } = loadConfig(
    grammar,
    'hostname r1\nip roue 1.2.3.4/8\nrouter bgp x\n neighbor 1.1.1.1 remote-as 1\n!\nhostname\nip route 10.0.0.0/8 eth0 300\n',
    'f.conf',
  );
  assert.deepEqual(problems, [
    { file: 'f.conf', line: 2, message: "not understood: 'roue 1.2.3.4/8' after 'ip'" },
    { file: 'f.conf', line: 3, message: "not understood: 'x' after 'router bgp'" },
    { file: 'f.conf', line: 6, message: "more words are missing after 'hostname'" },
    { file: 'f.conf', line: 7, message: "not understood: '300' after 'ip route 10.0.0.0/8 eth0'" },
  ]);
  assert.equal(tree.text, 'hostname r1\n!\n');
});

void test('a refused line throws before anything changes', () => {
  const strict = new Grammar([
    commandSet<object>('test', [
      config({
        mode: 'configure',
        syntax: 'x (1-9)$n',
        help: [],
        check: args => {
          if (args.n === 3) throw new CommandError('% not 3');
        },
        apply: nothing,
        remove: nothing,
      }),
    ]),
  ]);
  const { tree, problems } = loadConfig(strict, 'x 1\nx 3\n', 'f');
  assert.equal(tree.text, 'x 1\n!\n');
  assert.deepEqual(problems, [{ file: 'f', line: 2, message: 'not 3' }]);
});

void test('context is the enclosing lines, outermost first', () => {
  const tree = read('router bgp 7\n address-family ipv6 unicast\n');
  const block = [...tree.walk()].find(({ line }) => line.block?.mode === 'address-family')?.line.block;
  assert.ok(block);
  const match = grammar.parse('address-family', wordsOf('neighbor ::1 activate'));
  assert.ok('entry' in match);
  const [step] = tree.plan(block, match).steps;
  assert.deepEqual(step?.action.context, [{ asn: 7 }, { ipv6: true, afi: 'ipv6' }]);
});

// ---- properties ---------------------------------------------------------------------------------------------------

const octet = fc.integer({ min: 0, max: 3 });
const line: fc.Arbitrary<string> = fc.oneof(
  fc.tuple(octet, octet).map(([a, b]) => `hostname h${a}${b}`),
  fc.tuple(octet, octet, octet).map(([a, b, c]) => `ip route 10.${a}.0.0/16 eth${b}${c ? ` ${c}` : ''}`),
  fc.tuple(octet, octet).map(([a, b]) => `interface eth${a}\n ip address 10.${a}.${b}.1/24\n description d ${b}\nexit`),
  fc
    .tuple(octet, octet)
    .map(([a, b]) => `router bgp ${a + 1}\n neighbor 10.0.0.${b} remote-as ${a + 1}\n bgp router-id 1.1.1.${b}\nexit`),
  octet.map(
    a =>
      `router bgp 1\n no bgp ebgp-requires-policy\n address-family ipv4 unicast\n  network 10.${a}.0.0/16\n  no neighbor 10.0.0.${a} activate\nexit\nexit`,
  ),
  fc.tuple(octet, octet).map(([a, b]) => `ip prefix-list P${a} permit 10.${b}.0.0/16`),
  fc.tuple(octet, octet).map(([a, b]) => `ip prefix-list P${a} seq ${b + 1} deny any`),
  fc.tuple(octet, octet).map(([a, b]) => `route-map R${a} permit ${b + 1}\n match ip address prefix-list P${a}\nexit`),
  fc.tuple(octet, octet).map(([a, b]) => `no route-map R${a} permit ${b + 1}`),
  octet.map(a => `no ip prefix-list P${a}`),
  octet.map(a => `no interface eth${a}`),
);
const configuration: fc.Arbitrary<string> = fc.array(line, { maxLength: 25 }).map(lines => `${lines.join('\n')}\n`);

void test('what is written reads back as the same configuration', () => {
  fc.assert(
    fc.property(configuration, text => {
      const once = read(text).text;
      assert.equal(read(once).text, once);
    }),
  );
});

/** Lines with the blocks around them, in no order: lines of equal rank stand in the order in which they came. */
function content(tree: ConfigTree): string[] {
  return [...tree.walk()]
    .map(({ line, block }) => `${JSON.stringify(block.context)} ${line.negative ? 'no ' : ''}${line.text}`)
    .sort();
}

void test('the difference between two configurations makes the one from the other, and then there is none', () => {
  fc.assert(
    fc.property(configuration, configuration, (before, after) => {
      const tree = read(before);
      const wanted = read(after);
      for (const step of wanted.stepsFrom(tree)) step.commit();
      assert.deepEqual(content(tree), content(wanted));
      assert.deepEqual(wanted.stepsFrom(tree), []);
    }),
  );
});

void test('a replay holds one action a line', () => {
  fc.assert(
    fc.property(configuration, text => {
      const tree = read(text);
      assert.equal(tree.actionsOf('test').length, [...tree.walk()].length);
    }),
  );
});

test('a block is taken away by its own words only', () => {
  const tree = read('router bgp 65001\n bgp router-id 192.0.2.1\n');
  const plan = (line: string): number => {
    const match = grammar.parse('configure', wordsOf(line));
    assert.ok('entry' in match, line);
    return tree.plan(tree.root, match).steps.length;
  };
  assert.throws(() => plan('no router bgp 65009'), {
    message: "% There is no 'router bgp 65009', but 'router bgp 65001'",
  });
  assert.equal(plan('no router bgp 65001'), 1);
});

test('a block inside a block goes line by line, a block at the top at once', () => {
  const text =
    'router bgp 65001\n address-family ipv4 unicast\n  network 10.0.0.0/8\n  no neighbor 10.0.0.2 activate\n';
  const inner = ['neighbor 10.0.0.2 activate', 'no network 10.0.0.0/8', 'no address-family ipv4 unicast'];
  const tree = read(text);
  const reload = read('router bgp 65001\n').stepsFrom(tree);
  assert.deepEqual(
    reload.map(step => step.text),
    inner,
  );
  const router = [...tree.root.lines.values()][0]!.block!;
  const match = grammar.parse('router-bgp', wordsOf('no address-family ipv4 unicast'));
  assert.ok('entry' in match);
  assert.deepEqual(
    tree.plan(router, match).steps.map(step => step.text),
    inner,
  );
  for (const step of reload) step.commit();
  assert.equal(tree.text, read('router bgp 65001\n').text);
  assert.deepEqual(
    read('')
      .stepsFrom(read(text))
      .map(step => step.text),
    ['no router bgp 65001'],
  );
});

test('lists and maps come into force before those who use them, and go after them', () => {
  const bare = 'router bgp 65001\n';
  const using = `${bare} neighbor 10.0.0.2 remote-as 2\nexit\nip prefix-list L seq 5 permit 10.0.0.0/8\n`;
  const texts = (from: string, to: string): string[] =>
    read(to)
      .stepsFrom(read(from))
      .map(step => step.text);
  const [list, user] = ['ip prefix-list L seq 5 permit 10.0.0.0/8', 'neighbor 10.0.0.2 remote-as 2'];
  assert.deepEqual(texts(bare, using), [list, user]);
  assert.deepEqual(texts(using, bare), [`no ${user}`, `no ${list}`]);
});
