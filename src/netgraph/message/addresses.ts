// Addresses as they are written: 00:1b:21:3c:9d:f8, 192.0.2.1, 2001:db8::1. Their bytes are in network order.
import { formatIp4, formatIp6, parseIp4, parseIp6 } from '../../net/index.ts';
import { NetgraphError } from '../graph/error.ts';
import type { Form } from './shape.ts';

function parseMac(text: string): string | undefined {
  if (!/^[0-9a-fA-F]{1,2}(?::[0-9a-fA-F]{1,2}){5}$/.test(text)) return undefined;
  return text
    .split(':')
    .map(part => part.padStart(2, '0').toLowerCase())
    .join(':');
}

function refuse(label: string, value: string): never {
  throw new NetgraphError('EINVAL', `'${value}' is no ${label}`);
}

/** An Ethernet address, `aa:bb:cc:dd:ee:ff` in small letters. FreeBSD gives it no default: it is always printed and must be said. */
export const mac: Form<string> = {
  label: 'Ethernet address',
  align: 1,
  makeDefault: () => {
    throw new NetgraphError('EOPNOTSUPP', 'an Ethernet address must be given');
  },
  isDefault: () => false,
  parse(reader) {
    const word = reader.word('an Ethernet address');
    const value = parseMac(word);
    if (value === undefined) throw reader.error('an Ethernet address', reader.offset - word.length);
    return value;
  },
  print: value => value,
  size: () => 6,
  encode(view, offset, value) {
    const parts = (parseMac(value) ?? refuse('Ethernet address', value)).split(':');
    for (let i = 0; i < 6; i++) view.setUint8(offset + i, Number.parseInt(parts[i]!, 16));
    return offset + 6;
  },
  decode(view, offset) {
    const parts: string[] = [];
    for (let i = 0; i < 6; i++)
      parts.push(
        view
          .getUint8(offset + i)
          .toString(16)
          .padStart(2, '0'),
      );
    return parts.join(':');
  },
};

export const ipv4: Form<string> = {
  label: 'IPv4 address',
  align: 4,
  makeDefault: () => '0.0.0.0',
  isDefault: value => value === '0.0.0.0',
  parse(reader) {
    const word = reader.word('an IPv4 address');
    if (parseIp4(word) < 0) throw reader.error('an IPv4 address', reader.offset - word.length);
    return word;
  },
  print: value => value,
  size: () => 4,
  encode(view, offset, value) {
    const address = parseIp4(value);
    if (address < 0) refuse('IPv4 address', value);
    view.setUint32(offset, address);
    return offset + 4;
  },
  decode: (view, offset) => formatIp4(view.getUint32(offset)),
};

/** Aligned as in6_addr is. */
export const ipv6: Form<string> = {
  label: 'IPv6 address',
  align: 4,
  makeDefault: () => '::',
  isDefault: value => value === '::',
  parse(reader) {
    const word = reader.word('an IPv6 address');
    const address = parseIp6(word);
    if (!address) throw reader.error('an IPv6 address', reader.offset - word.length);
    return formatIp6(...address);
  },
  print: value => value,
  size: () => 16,
  encode(view, offset, value) {
    const address = parseIp6(value) ?? refuse('IPv6 address', value);
    for (let i = 0; i < 4; i++) view.setUint32(offset + 4 * i, address[i]!);
    return offset + 16;
  },
  decode: (view, offset) =>
    formatIp6(
      view.getUint32(offset),
      view.getUint32(offset + 4),
      view.getUint32(offset + 8),
      view.getUint32(offset + 12),
    ),
};
