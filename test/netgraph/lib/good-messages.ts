// Of every standard type that keeps to itself: hooks that it takes, and messages that it takes when it has them. Tests spoil these.

export interface Sample {
  readonly hooks: readonly string[];
  /** A command, and its argument. */
  readonly messages: readonly (readonly [name: string, text: string])[];
}

const resolver = (address: string): readonly (readonly [string, string])[] => [
  ['setenaddr', '02:00:00:00:00:01'],
  ['setaddresses', `{ count=1 addresses=[ ${address} ] }`],
  ['addentry', `{ ip=${address} mac=02:00:00:00:00:02 }`],
  ['delentry', `{ ip=${address} }`],
];
const fib = (prefix: string, address: string): readonly (readonly [string, string])[] => [
  ['addroute', `{ prefix="${prefix}" hook="a" gateway=${address} }`],
  ['addroutes', `{ count=1 routes=[ { prefix="${prefix}" hook="b" } ] }`],
  ['addmultipath', `{ prefix="${prefix}" count=2 paths=[ { hook="a" weight=2 } { hook="b" gateway=${address} } ] }`],
  ['lookup', `{ address=${address} }`],
  ['getroutes', '{ start=0 }'],
  ['delroute', `{ prefix="${prefix}" }`],
  ['delroutes', `{ count=1 prefixes=[ "${prefix}" ] }`],
];
const byHook = (hook: string): readonly (readonly [string, string])[] => [
  ['getstats', `"${hook}"`],
  ['clrstats', `"${hook}"`],
  ['getclrstats', `"${hook}"`],
];
const WAY = 'cir=10000 pir=20000 cbs=3000 ebs=3000 greenAction=1 yellowAction=3 redAction=2 mode=2 opt=1';

export const SAMPLES: Readonly<Record<string, Sample>> = {
  arp: { hooks: ['ip', 'lower', 'nohost'], messages: resolver('192.0.2.1') },
  nd: { hooks: ['ip', 'lower', 'nohost'], messages: resolver('2001:db8::1') },
  bpf: {
    hooks: ['a', 'b', 'c'],
    messages: [
      [
        'setprogram',
        '{ thisHook="a" ifMatch="b" ifNotMatch="c" bpf_prog_len=4 bpf_prog=[ { code=40 k=12 } { code=21 jt=0 jf=1 k=2048 } { code=6 k=8192 } { code=6 } ] }',
      ],
      ['getprogram', '"a"'],
      ...byHook('a'),
    ],
  },
  bridge: {
    hooks: ['link0', 'link1', 'uplink1'],
    messages: [
      ['setconfig', '{ debugLevel=1 loopTimeout=30 maxStaleness=90 minStableAge=2 }'],
      ['getstats', '0'],
      ['clrstats', '1'],
      ['getclrstats', '-1'],
      ['movehost', '{ addr=02:00:00:00:00:01 hook="link1" }'],
      ['reset', ''],
      ['setpersistent', ''],
    ],
  },
  car: { hooks: ['upper', 'lower'], messages: [['setconf', `{ upstream={ ${WAY} } downstream={ ${WAY} } }`]] },
  capture: { hooks: ['in'], messages: [['stop', '']] },
  checksum: {
    hooks: ['in', 'out'],
    messages: [
      ['setdlt', '1'],
      ['setconfig', '{ csum_flags=0x607 csum_offload=7 }'],
      ['clrstats', ''],
    ],
  },
  counter: { hooks: ['left', 'right'], messages: [['setdlt', '{ dlt=1 }']] },
  echo: { hooks: ['a', 'b'], messages: [] },
  etf: {
    hooks: ['downstream', 'nomatch', 'a'],
    messages: [
      ['setfilter', '{ matchhook="a" ethertype=0x800 }'],
      ['setfilter', '{ matchhook="nomatch" ethertype=0x86dd }'],
    ],
  },
  fib4: { hooks: ['a', 'b', 'noroute'], messages: fib('192.0.2.0/24', '192.0.2.1') },
  fib6: { hooks: ['a', 'b', 'noroute'], messages: fib('2001:db8::/32', '2001:db8::1') },
  hole: { hooks: ['a', 'b'], messages: byHook('a') },
  hub: { hooks: ['a', 'b', 'c'], messages: [['setpersistent', '']] },
  ipfrag: { hooks: ['in', 'out', 'toobig'], messages: [['setmtu', '576']] },
  ipfwd: {
    hooks: ['in0', 'out', 'icmp', 'local', 'noroute', 'nohost', 'toobig'],
    messages: [
      ['setaddresses', '{ count=2 addresses=[ { address="192.0.2.1" ifindex=1 } { address="2001:db8::1" } ] }'],
      ['setlimit', '{ rate=100 burst=10 }'],
    ],
  },
  macfilter: {
    hooks: ['ether', 'default', 'a', 'b'],
    messages: [
      ['direct', '{ ether=02:00:00:00:00:01 hookname="a" }'],
      ['directi', '{ ether=02:00:00:00:00:02 hookid=2 }'],
      ['reset', ''],
      ['clrmacs', ''],
    ],
  },
  nat: {
    hooks: ['in', 'out'],
    messages: [
      ['setaliasaddr', '192.0.2.1'],
      ['settarget', '10.0.0.1'],
      ['setmode', '{ flags=0x46 mask=0x46 }'],
      ['setdlt', '1'],
      ['redirectport', '{ local_addr=10.0.0.1 local_port=80 alias_port=8080 proto=6 description="web" }'],
      ['redirectaddr', '{ local_addr=10.0.0.1 alias_addr=192.0.2.9 description="one" }'],
      ['redirectproto', '{ local_addr=10.0.0.1 proto=47 }'],
      ['redirectdelete', '1'],
      ['redirectdynamic', '1'],
      ['addserver', '{ id=1 addr=10.0.0.2 port=80 }'],
      ['proxyrule', '"rule"'],
    ],
  },
  netflow: {
    hooks: ['iface0', 'out0', 'export', 'export9'],
    messages: [
      ['ifinfo', '0'],
      ['setdlt', '{ iface=0 dlt=12 }'],
      ['setifindex', '{ iface=0 index=7 }'],
      ['settimeouts', '{ inactive=5 active=60 }'],
      ['setconfig', '{ iface=0 conf=3 }'],
      ['settemplate', '{ time=60 packets=100 }'],
      ['setmtu', '{ mtu=1400 }'],
    ],
  },
  one2many: {
    hooks: ['one', 'many0', 'many1', 'many63'],
    messages: [
      ['setconfig', '{ xmitAlg=2 failAlg=2 enabledLinks=[ 1 0 63=1 ] }'],
      ['getstats', '-1'],
      ['clrstats', '0'],
      ['getclrstats', '63'],
    ],
  },
  patch: {
    hooks: ['in', 'out'],
    messages: [
      [
        'setconfig',
        '{ count=3 csum_flags=7 ops=[ { offset=1 length=1 mode=1 value=16 } { offset=8 length=8 mode=3 value=1 } { offset=12 length=4 mode=11 value=40 } ] }',
      ],
      ['setdlt', '1'],
    ],
  },
  pipe: {
    hooks: ['upper', 'lower'],
    messages: [
      [
        'setcfg',
        '{ bandwidth=1000000 delay=5000 overhead=18 header_offset=14 downstream={ BER=100000 queuelen=9 drr=1 drophead=1 } upstream={ duplicate=3 wfq=1 delaylen=20 } }',
      ],
      ['setcfg', '{ bandwidth=-1 delay=-1 }'],
    ],
  },
  socket: {
    hooks: ['a'],
    messages: [
      ['nolinger', ''],
      ['linger', ''],
    ],
  },
  source: {
    hooks: ['input', 'output'],
    messages: [
      ['start', '5'],
      ['stop', ''],
      ['clrdata', ''],
      ['setiface', '"eth0"'],
      ['setpps', '1000'],
      ['settimestamp', '{ offset=8 flags=1 }'],
      ['setcounter', '{ offset=4 flags=1 width=4 next_val=1 min_val=1 max_val=9 increment=1 index=2 }'],
      ['getcounter', '2'],
    ],
  },
  split: { hooks: ['in', 'out', 'mixed'], messages: [] },
  tag: {
    hooks: ['a', 'b', 'c'],
    messages: [
      [
        'sethookin',
        '{ thisHook="a" ifMatch="b" ifNotMatch="c" strip=1 tag_cookie=7 tag_id=3 tag_len=2 tag_data=[ 1 2 ] }',
      ],
      ['sethookout', '{ thisHook="b" tag_cookie=7 tag_id=3 tag_len=2 tag_data=[ 1 2 ] }'],
      ['gethookin', '"a"'],
      ['gethookout', '"b"'],
      ...byHook('c'),
    ],
  },
  tcpmss: { hooks: ['a', 'b'], messages: [['config', '{ inHook="a" outHook="b" maxMSS=1400 }'], ...byHook('a')] },
  tee: { hooks: ['left', 'right', 'left2right', 'right2left'], messages: [] },
  vlan: {
    hooks: ['downstream', 'nomatch', 'a', 'b'],
    messages: [
      ['addfilter', '{ hook="a" vid=100 pcp=3 cfi=1 }'],
      ['addfilter', '{ hook="b" vlan=200 }'],
      ['delfilter', '"a"'],
      ['delvidflt', '200'],
      ['setdecap', '1'],
      ['setencap', '3'],
      ['setencapproto', '0x88a8'],
    ],
  },
  vlan_rotate: {
    hooks: ['original', 'ordered', 'excessive', 'incomplete'],
    messages: [['setconf', '{ rot=1 min=2 max=4 }']],
  },
};
