// The codecs of VPNs against FRR: what they write, FRR's shell shows; and FRR, a route reflector, writes it anew for another neighbour,
// where they read it. Both neighbours are played by this thread.
//
//    PE 10.0.0.2 ── prefixes of our octets ──▶ frr 10.0.0.1 ── the same in FRR's ──▶ OTHER 10.0.0.3
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { formatIp6, parseIp4, parseIp6, readWord, writeWord } from '../../src/net/index.ts';
import { enterNetworkNamespace } from '../../src/sys/index.ts';
import {
  ATTR_EXTENDED_COMMUNITIES,
  ATTR_MP_REACH,
  ATTR_MP_UNREACH,
  ATTR_PREFIX_SID,
} from '../../src/bgp/wire/attribute.ts';
import {
  isWithdrawnLabel,
  LABEL_BITS,
  LABEL_BYTES,
  LABEL_IMPLICIT_NULL,
  labelStackBytes,
  readLabel,
  writeLabel,
  writeWithdrawnLabel,
} from '../../src/bgp/wire/labels.ts';
import {
  EndpointBehavior,
  encodeL3Service,
  type L3Service,
  L3ServiceReader,
  PREFIX_SID_SOUND,
  prefixSidFault,
  SERVICE_USABLE,
  transposedLabel,
  VPN_LABEL_BITS,
} from '../../src/bgp/wire/prefix-sid.ts';
import {
  formatRouteDistinguisher,
  parseRouteDistinguisher,
  RD_BITS,
  RD_BYTES,
} from '../../src/bgp/wire/route-distinguisher.ts';
import { formatRouteTarget, parseRouteTargets } from '../../src/bgp/wire/route-target.ts';
import { type Daemon, startFrr } from '../lib/daemons.ts';
import { Lab } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';
import { Player } from './lib/player.ts';

const [FRR, PE, OTHER] = ['10.0.0.1', '10.0.0.2', '10.0.0.3'];
const AS = 65010;

const CONFIGURATION = `hostname frr
router bgp ${AS}
 bgp router-id ${FRR}
 no bgp default ipv4-unicast
 neighbor ${PE} remote-as ${AS}
 neighbor ${PE} passive
 neighbor ${OTHER} remote-as ${AS}
 neighbor ${OTHER} passive
 address-family ipv4 vpn
  neighbor ${PE} activate
  neighbor ${PE} route-reflector-client
  neighbor ${OTHER} activate
  neighbor ${OTHER} route-reflector-client
 exit-address-family
exit
`;

/** A route as this test means it. `prefix` has 24 bits. */
interface Route {
  readonly rd: string;
  readonly prefix: string;
  readonly label: number;
  readonly targets: string;
  readonly service?: L3Service;
}

const structure = { blockBits: 40, nodeBits: 24, argumentBits: 0 };
const SERVICES: readonly L3Service[] = [
  { sid: parseIp6('2001:db8:1:1:7::')!, behavior: EndpointBehavior.dt4 },
  {
    sid: parseIp6('2001:db8:1:1:1::')!,
    behavior: EndpointBehavior.opaque,
    structure: { ...structure, functionBits: 16, transpositionLength: 16, transpositionOffset: 64 },
  },
  {
    sid: parseIp6('2001:db8:1:1:abcd:e000::')!,
    behavior: EndpointBehavior.dt46,
    structure: { ...structure, functionBits: 20, transpositionLength: 20, transpositionOffset: 64 },
  },
  {
    // Across the words of the SID.
    sid: parseIp6('fcbb:bb00:12:3450::')!,
    behavior: EndpointBehavior.dt46Next,
    structure: {
      blockBits: 32,
      nodeBits: 16,
      functionBits: 16,
      argumentBits: 0,
      transpositionLength: 12,
      transpositionOffset: 48,
    },
  },
  {
    sid: parseIp6('2001:db8:1:123:4560::')!,
    behavior: EndpointBehavior.dt4,
    structure: {
      blockBits: 40,
      nodeBits: 16,
      functionBits: 24,
      argumentBits: 0,
      transpositionLength: 18,
      transpositionOffset: 58,
    },
  },
];

const ROUTES: readonly Route[] = [
  { rd: '65001:10', prefix: '10.1.0.0', label: 16, targets: '65001:10' },
  { rd: '192.0.2.1:5', prefix: '10.1.0.0', label: 0xfffff, targets: '192.0.2.1:5 65001:20' },
  { rd: '65536:65535', prefix: '10.2.0.0', label: 0x12345, targets: '4200000001:7' },
  { rd: '0:4294967295', prefix: '10.3.0.0', label: LABEL_IMPLICIT_NULL, targets: '65535:4294967295' },
  ...SERVICES.map((service, i) => ({
    rd: '65001:99',
    prefix: `10.9.${i}.0`,
    label: transposedLabel(service, VPN_LABEL_BITS) ?? LABEL_IMPLICIT_NULL,
    targets: '65001:99',
    service,
  })),
];

// ----- octets -----

const BITS = 24;
const AFI_SAFI = [0, 1, 128];

function attribute(flags: number, code: number, value: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(flags, code, value.length), value]);
}

function nlri({ rd, prefix }: Route, label: (bytes: Uint8Array, at: number) => number): Uint8Array {
  const bytes = new Uint8Array(1 + LABEL_BYTES + RD_BYTES + BITS / 8);
  bytes[0] = LABEL_BITS + RD_BITS + BITS;
  let at = 1 + label(bytes, 1);
  for (const word of parseRouteDistinguisher(rd)!) {
    writeWord(bytes, at, word);
    at += 4;
  }
  for (const octet of prefix.split('.').slice(0, BITS / 8)) bytes[at++] = Number(octet);
  return bytes;
}

function update(attributes: readonly Buffer[]): Buffer {
  const all = Buffer.concat(attributes);
  const message = Buffer.concat([Buffer.alloc(19, 0xff), Buffer.alloc(4), all]);
  message.writeUInt16BE(message.length, 16);
  message[18] = 2;
  message.writeUInt16BE(all.length, 21);
  return message;
}

function announcement(route: Route): Buffer {
  const targets = Buffer.alloc(parseRouteTargets(route.targets).length * 8);
  for (const [i, words] of parseRouteTargets(route.targets).entries()) {
    for (const [j, word] of words.entries()) writeWord(targets, i * 8 + j * 4, word);
  }
  const hop = Buffer.alloc(RD_BYTES + 4); // RFC 4364 §4.3.2: behind a distinguisher of 0
  hop.writeUInt32BE(parseIp4(PE), RD_BYTES);
  const prefix = nlri(route, (bytes, at) => writeLabel(bytes, at, route.label));
  return update([
    attribute(0x40, 1, Buffer.of(0)),
    attribute(0x40, 2, Buffer.alloc(0)),
    attribute(0x40, 5, Buffer.of(0, 0, 0, 100)),
    attribute(0x80, ATTR_MP_REACH, Buffer.concat([Buffer.of(...AFI_SAFI, hop.length), hop, Buffer.of(0), prefix])),
    attribute(0xc0, ATTR_EXTENDED_COMMUNITIES, targets),
    ...(route.service === undefined ? [] : [attribute(0xc0, ATTR_PREFIX_SID, encodeL3Service(route.service))]),
  ]);
}

function withdrawal(route: Route): Buffer {
  const prefix = nlri(route, writeWithdrawnLabel);
  return update([attribute(0x80, ATTR_MP_UNREACH, Buffer.concat([Buffer.of(...AFI_SAFI), prefix]))]);
}

// ----- what comes back -----

interface Told {
  label: number;
  targets: string[];
  sid: string | undefined;
  behavior: number | undefined;
}

/** By `RD prefix`, as the other neighbour was told. */
const told = new Map<string, Told>();
const reader = new L3ServiceReader();

/** The prefixes of a field, with where their labels are. */
function* prefixesIn(field: Buffer): Generator<{ label: number; key: string }> {
  for (let at = 0; at < field.length; ) {
    const end = at + 1 + ((field[at]! + 7) >> 3);
    const label = at + 1;
    const stack = labelStackBytes(field, label, end);
    assert.equal(stack, LABEL_BYTES);
    const rd = label + stack;
    const bits = field[at]! - LABEL_BITS - RD_BITS;
    const octets = [...field.subarray(rd + RD_BYTES, end), 0, 0, 0, 0].slice(0, 4);
    yield {
      label,
      key: `${formatRouteDistinguisher(readWord(field, rd), readWord(field, rd + 4))} ${octets.join('.')}/${bits}`,
    };
    at = end;
  }
}

function hear(body: Buffer): void {
  const attributes = new Map<number, Buffer>();
  for (let at = 4; at < 4 + body.readUInt16BE(2); ) {
    const wide = (body[at]! & 0x10) !== 0;
    const length = wide ? body.readUInt16BE(at + 2) : body[at + 2]!;
    const value = at + (wide ? 4 : 3);
    attributes.set(body[at + 1]!, body.subarray(value, value + length));
    at = value + length;
  }
  const unreach = attributes.get(ATTR_MP_UNREACH);
  if (unreach !== undefined) {
    const field = unreach.subarray(3);
    for (const { key, label } of prefixesIn(field)) {
      assert.ok(isWithdrawnLabel(field, label), field.toString('hex'));
      told.delete(key);
    }
  }
  const reach = attributes.get(ATTR_MP_REACH);
  if (reach === undefined || reach[2] !== 128) return;
  const communities = attributes.get(ATTR_EXTENDED_COMMUNITIES) ?? Buffer.alloc(0);
  const targets: string[] = [];
  for (let i = 0; i < communities.length; i += 8) {
    targets.push(formatRouteTarget(readWord(communities, i), readWord(communities, i + 4)));
  }
  const service = attributes.get(ATTR_PREFIX_SID);
  const field = reach.subarray(5 + reach[3]!);
  for (const { key, label } of prefixesIn(field)) {
    const one: Told = { label: readLabel(field, label), targets, sid: undefined, behavior: undefined };
    if (service !== undefined) {
      assert.equal(prefixSidFault(service, 0, service.length), PREFIX_SID_SOUND);
      assert.equal(reader.read(service, 0, service.length, VPN_LABEL_BITS), SERVICE_USABLE);
      reader.merge(one.label, VPN_LABEL_BITS);
      one.sid = formatIp6(reader.w0, reader.w1, reader.w2, reader.w3);
      one.behavior = reader.behavior;
    }
    told.set(key, one);
  }
}

/** As FRR shows it, which puts nothing together again. */
function sentSid(service: L3Service): string {
  const bytes = encodeL3Service(service);
  return formatIp6(readWord(bytes, 8), readWord(bytes, 12), readWord(bytes, 16), readWord(bytes, 20));
}

// ----- the lab -----

const lab = new Lab();
let frr: Daemon;
let pe: Player;
let other: Player;

before(async () => {
  const space = await lab.namespace('vpn-wire');
  for (const address of [FRR, PE, OTHER]) await space.run('ip', 'address', 'add', `${address}/32`, 'dev', 'lo');
  frr = await startFrr(lab, space, 'bgpd', CONFIGURATION, { args: ['-Z', '-n'] });
  enterNetworkNamespace(space.path);
  const options = {
    to: FRR,
    as: AS,
    capabilities: [{ kind: 'multiprotocol', family: { afi: 1, safi: 128 } } as const],
  };
  pe = await Player.up({ ...options, from: PE });
  other = await Player.up({ ...options, from: OTHER });
  other.onUpdate = hear;
  await pe.write(...ROUTES.map(announcement));
});

after(() => lab.close());

const keyOf = ({ rd, prefix }: Route): string => `${rd} ${prefix}/${BITS}`;
const sidOf = ({ service }: Route): string | undefined => service && formatIp6(...service.sid);

interface FrrPath {
  readonly remoteLabel: number;
  readonly remoteSid?: string;
  readonly extendedCommunity: { readonly string: string };
}

test('FRR shows what the codecs wrote: distinguishers, labels, targets, SIDs', async () => {
  const all = await until(
    async () => {
      const table = JSON.parse(await frr.sh('show bgp ipv4 vpn json')) as {
        routes: { routeDistinguishers: Record<string, Record<string, unknown>> };
      };
      const keys = Object.entries(table.routes.routeDistinguishers).flatMap(([rd, prefixes]) =>
        Object.keys(prefixes).map(prefix => `${rd} ${prefix}`),
      );
      return keys.length === ROUTES.length ? keys : undefined;
    },
    { what: 'FRR to have the routes' },
  );
  assert.deepEqual(all.sort(), ROUTES.map(keyOf).sort());
  const text = await frr.sh('show bgp ipv4 vpn');
  for (const route of ROUTES) {
    const of = JSON.parse(await frr.sh(`show bgp ipv4 vpn ${route.prefix}/${BITS} json`)) as Record<
      string,
      { readonly paths: readonly FrrPath[] }
    >;
    const [path] = of[route.rd]!.paths;
    assert.equal(path!.remoteLabel, route.label, keyOf(route));
    const targets = path!.extendedCommunity.string.replaceAll('RT:', '').split(' ').sort();
    assert.deepEqual(targets, route.targets.split(' ').sort());
    // What stands in the attribute: without the bits that stand in the label.
    assert.equal(path!.remoteSid, route.service && sentSid(route.service), keyOf(route));
    if (route.service?.structure === undefined) continue;
    const { blockBits, nodeBits, functionBits } = route.service.structure;
    assert.ok(
      text.includes(
        `label=${route.label} sid=${path!.remoteSid} sid_structure=[${blockBits},${nodeBits},${functionBits},0]`,
      ),
      `${keyOf(route)}\n${text}`,
    );
  }
});

test('the codecs read what FRR wrote of it', async () => {
  await until(() => told.size === ROUTES.length, { what: () => `the other neighbour: ${[...told.keys()].join(', ')}` });
  for (const route of ROUTES) {
    const one = told.get(keyOf(route));
    assert.ok(one, keyOf(route));
    assert.equal(one.label, route.label);
    assert.deepEqual(one.targets.sort(), route.targets.split(' ').sort());
    assert.equal(one.sid, sidOf(route), keyOf(route));
    // FRR 8.4.4 forgets what a SID does.
    assert.equal(one.behavior, route.service && EndpointBehavior.opaque);
  }
});

test('FRR takes our withdrawals, and we know its own', async () => {
  const [gone, ...left] = ROUTES;
  await pe.write(withdrawal(gone!), withdrawal(left.pop()!));
  await until(() => told.size === left.length, { what: () => `the withdrawals: ${[...told.keys()].join(', ')}` });
  assert.deepEqual([...told.keys()].sort(), left.map(keyOf).sort());
  assert.equal(await frr.sh(`show bgp ipv4 vpn rd ${gone!.rd} ${gone!.prefix}/${BITS}`), '% Network not in table\n');
});
