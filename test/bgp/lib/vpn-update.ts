// UPDATEs about VPN prefixes as octets, for neighbours that are played.
import { type AddressWords, AF_INET, parseAddress, parsePrefix, writeWord } from '../../../src/net/index.ts';
import { LABEL_BITS, LABEL_BYTES, writeLabel, writeWithdrawnLabel } from '../../../src/bgp/wire/labels.ts';
import { encodeL3Service, type L3Service } from '../../../src/bgp/wire/prefix-sid.ts';
import { parseRouteDistinguisher, RD_BITS, RD_BYTES } from '../../../src/bgp/wire/route-distinguisher.ts';
import { parseRouteTargets } from '../../../src/bgp/wire/route-target.ts';

export interface VpnRoute {
  readonly rd: string;
  readonly prefix: string;
  readonly label: number;
  /** Route targets, between blanks. */
  readonly targets: string;
  readonly nextHop: string;
  readonly as?: readonly number[];
  readonly med?: number;
  readonly localPref?: number;
  /** Further extended communities, of 16 hexadecimal digits each. */
  readonly extended?: readonly string[];
  /** `AS:VALUE`. */
  readonly communities?: readonly string[];
  readonly originator?: string;
  readonly service?: L3Service;
}

const [OPTIONAL, WELL_KNOWN, TRANSITIVE] = [0x80, 0x40, 0xc0];
const SAFI_VPN = 128;

function attribute(flags: number, code: number, value: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(flags, code, value.length), value]);
}

function words(...all: number[]): Buffer {
  const bytes = Buffer.alloc(all.length * 4);
  for (const [i, word] of all.entries()) bytes.writeUInt32BE(word >>> 0, i * 4);
  return bytes;
}

function address(text: string): Buffer {
  const { family, words: all } = parseAddress(text)!;
  return family === AF_INET ? words(all[0]) : words(...all);
}

function nlri(rd: string, text: string, label: (bytes: Uint8Array, at: number) => number): Uint8Array {
  const prefix = parsePrefix(text)!;
  const octets = (prefix.length + 7) >> 3;
  const bytes = new Uint8Array(1 + LABEL_BYTES + RD_BYTES + octets);
  bytes[0] = LABEL_BITS + RD_BITS + prefix.length;
  const at = 1 + label(bytes, 1);
  for (const [i, word] of parseRouteDistinguisher(rd)!.entries()) writeWord(bytes, at + i * 4, word);
  bytes.set(words(...(prefix.words as AddressWords)).subarray(0, octets), at + RD_BYTES);
  return bytes;
}

function familyOf(text: string): Buffer {
  return Buffer.of(0, text.includes(':') ? 2 : 1, SAFI_VPN);
}

function update(attributes: readonly Buffer[]): Buffer {
  const all = Buffer.concat(attributes);
  const message = Buffer.concat([Buffer.alloc(19, 0xff), Buffer.alloc(4), all]);
  message.writeUInt16BE(message.length, 16);
  message[18] = 2;
  message.writeUInt16BE(all.length, 21);
  return message;
}

export function vpnAnnouncement(route: VpnRoute): Buffer {
  const { rd, prefix, label, as = [], med, localPref, extended = [], communities = [], originator, service } = route;
  const targets = parseRouteTargets(route.targets).map(pair => words(...pair));
  const hop = Buffer.concat([Buffer.alloc(RD_BYTES), address(route.nextHop)]); // RFC 4364 §4.3.2: behind a distinguisher of 0
  const path = as.length === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.of(2, as.length), words(...as)]);
  const reach = [familyOf(prefix), Buffer.of(hop.length), hop, Buffer.of(0)];
  const standard = communities.map(one => {
    const [owner, value] = one.split(':').map(Number) as [number, number];
    return words(((owner << 16) | value) >>> 0);
  });
  return update([
    attribute(WELL_KNOWN, 1, Buffer.of(0)),
    attribute(WELL_KNOWN, 2, path),
    ...(med === undefined ? [] : [attribute(OPTIONAL, 4, words(med))]),
    ...(localPref === undefined ? [] : [attribute(WELL_KNOWN, 5, words(localPref))]),
    ...(standard.length === 0 ? [] : [attribute(TRANSITIVE, 8, Buffer.concat(standard))]),
    ...(originator === undefined ? [] : [attribute(OPTIONAL, 9, address(originator))]),
    ...(originator === undefined ? [] : [attribute(OPTIONAL, 10, address('10.0.0.77'))]),
    attribute(OPTIONAL, 14, Buffer.concat([...reach, nlri(rd, prefix, (bytes, at) => writeLabel(bytes, at, label))])),
    attribute(TRANSITIVE, 16, Buffer.concat([...targets, ...extended.map(hex => Buffer.from(hex, 'hex'))])),
    ...(service === undefined ? [] : [attribute(TRANSITIVE, 40, encodeL3Service(service))]),
  ]);
}

export function vpnWithdrawal(rd: string, prefix: string): Buffer {
  return update([attribute(OPTIONAL, 15, Buffer.concat([familyOf(prefix), nlri(rd, prefix, writeWithdrawnLabel)]))]);
}
