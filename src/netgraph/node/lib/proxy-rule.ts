// The language of libalias(3) for transparent proxies: pairs of words, in any order and case.
//
//    server IP[:PORT] [port N] [proto tcp|udp] [src IP[/BITS]] [dst IP[/BITS]] [rule INDEX] [type no_encode]
//    delete INDEX
import { parseIp4 } from '../../../net/index.ts';
import { NetgraphError } from '../../graph/error.ts';
import { IPPROTO_TCP, IPPROTO_UDP } from '../../lib/ip.ts';
import type { NatProxyRule } from '../../lib/nat-proxy.ts';

/** A rule, and where it stands among the others: before those of higher, and those of the same index that came earlier. */
export interface IndexedRule {
  readonly index: number;
  readonly rule: NatProxyRule;
}

const LONGEST = 255;
const WORDS = ['server', 'port', 'proto', 'src', 'dst', 'rule', 'type', 'delete'];
const PROTOCOLS: Readonly<Record<string, number>> = { tcp: IPPROTO_TCP, udp: IPPROTO_UDP };

/** The rules after the command. Throws NetgraphError: EINVAL where it says nothing, ENOENT where it deletes what is not there. */
export function proxyRules(rules: readonly IndexedRule[], command: string): readonly IndexedRule[] {
  const said = pairs(command);
  const deleted = said.get('delete');
  if (deleted !== undefined) {
    if (said.size > 1) throw invalid(command, "'delete' stands alone");
    const index = number(command, deleted, 0, 0x7fff_ffff);
    const rest = rules.filter(each => each.index !== index);
    if (rest.length === rules.length) throw new NetgraphError('ENOENT', `there is no proxy rule ${index}`);
    return rest;
  }
  const server = said.get('server');
  if (server === undefined) throw invalid(command, 'it names no server');
  const type = said.get('type') ?? 'no_encode';
  if (type === 'encode_ip_hdr' || type === 'encode_tcp_stream') {
    throw new NetgraphError(
      'EOPNOTSUPP',
      `type ${type}: a proxy is not told whom was asked for, only no_encode is to be had`,
    );
  }
  if (type !== 'no_encode') throw invalid(command, `type ${type}`);
  const [host, serverPort, ...more] = server.split(':');
  if (more.length > 0) throw invalid(command, `server ${server}`);
  const proto = said.get('proto') ?? 'tcp';
  const protocol = PROTOCOLS[proto];
  if (protocol === undefined) throw invalid(command, `proto ${proto}: tcp or udp`);
  const index = number(command, said.get('rule') ?? '0', 0, 0x7fff_ffff);
  const port = said.get('port');
  const [source, sourceMask] = network(command, said.get('src'));
  const [destination, destinationMask] = network(command, said.get('dst'));
  const rule: NatProxyRule = {
    protocol,
    port: port === undefined ? 0 : number(command, port, 1, 65_535),
    source,
    sourceMask,
    destination,
    destinationMask,
    server: address(command, host!),
    serverPort: serverPort === undefined ? 0 : number(command, serverPort, 1, 65_535),
  };
  const place = rules.findIndex(each => each.index >= index);
  return rules.toSpliced(place < 0 ? rules.length : place, 0, { index, rule });
}

function pairs(command: string): Map<string, string> {
  if (command.length > LONGEST) throw invalid(command, `it is longer than ${LONGEST} characters`);
  const said = new Map<string, string>();
  const words = command
    .toLowerCase()
    .split(/[ \t]+/)
    .filter(word => word !== '');
  for (let i = 0; i < words.length; i += 2) {
    const word = words[i]!;
    const value = words[i + 1];
    if (!WORDS.includes(word)) throw invalid(command, `'${word}': ${WORDS.join(', ')}`);
    if (value === undefined) throw invalid(command, `nothing behind '${word}'`);
    said.set(word, value);
  }
  return said;
}

/** Address and mask; what is not said is every address. */
function network(command: string, text: string | undefined): [address: number, mask: number] {
  if (text === undefined) return [0, 0];
  const [ip, bits = '32', ...more] = text.split('/');
  if (more.length > 0) throw invalid(command, `'${text}' is no address/bits`);
  const length = number(command, bits, 0, 32);
  const mask = length === 0 ? 0 : -1 << (32 - length);
  return [address(command, ip!) & mask, mask];
}

function address(command: string, text: string): number {
  const ip = parseIp4(text);
  if (ip < 0) throw invalid(command, `'${text}' is no IPv4 address`);
  return ip;
}

function number(command: string, text: string, least: number, most: number): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : -1;
  if (value < least || value > most) throw invalid(command, `'${text}' is no number from ${least} to ${most}`);
  return value;
}

function invalid(command: string, why: string): NetgraphError {
  return new NetgraphError('EINVAL', `proxy rule '${command.slice(0, 80)}': ${why}`);
}
