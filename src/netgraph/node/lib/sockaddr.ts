// Addresses of sockets as ng_ksocket(4) writes them: inet/192.168.1.1:1234, local/"/tmp/x", and in the same manner inet6/[2001:db8::1]:1234.
// In binary they are FreeBSD's `struct sockaddr`, with its length and its family in a byte each; the system gets its own.
import {
  decodeSocketAddress,
  decodeUnixAddress,
  encodeSocketAddress,
  encodeUnixAddress,
  linux,
} from '../../../sys/index.ts';
import { formatIp4, formatIp6, parseIp4, parseIp6 } from '../../../net/index.ts';
import { NetgraphError } from '../../graph/error.ts';
import type { AsciiReader } from '../../message/reader.ts';
import type { Form } from '../../message/shape.ts';
import { quote } from '../../message/strings.ts';

export type Sockaddr =
  | { readonly family: 'inet' | 'inet6'; readonly address: string; readonly port: number }
  | { readonly family: 'local'; readonly path: string };

// FreeBSD's numbers of families.
const AF_LOCAL = 1;
const AF_INET = 2;
const AF_INET6 = 28;

/** As the kernel here wants it. */
export function toKernel(address: Sockaddr): Uint8Array {
  if (address.family === 'local') return encodeUnixAddress(address.path);
  const { family, port } = address;
  if (family === 'inet') {
    const words = [parseIp4(address.address), 0, 0, 0] as const;
    return encodeSocketAddress({ family: linux.AF_INET, words, port, scopeId: 0 });
  }
  return encodeSocketAddress({ family: linux.AF_INET6, words: parseIp6(address.address)!, port, scopeId: 0 });
}

/** What the kernel here says. A local socket without a name has the path ''. */
export function fromKernel(name: Uint8Array): Sockaddr {
  const path = decodeUnixAddress(name);
  if (path !== undefined) return { family: 'local', path };
  const address = decodeSocketAddress(name);
  if (!address) throw new NetgraphError('EAFNOSUPPORT', 'an address of a family that is not known here');
  const { family, words, port } = address;
  return family === linux.AF_INET
    ? { family: 'inet', address: formatIp4(words[0]), port }
    : { family: 'inet6', address: formatIp6(...words), port };
}

function portOf(reader: AsciiReader, text: string, start: number): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) throw reader.error('a port', start);
  return Number(text);
}

function parse(reader: AsciiReader): Sockaddr {
  reader.peek();
  const start = reader.offset;
  const expected = 'an address: inet/192.0.2.1:80, inet6/[2001:db8::1]:80 or local/"/path"';
  const word = reader.word(expected);
  if (word === 'local/') return { family: 'local', path: reader.string() };
  if (word === 'inet6/') {
    reader.expect('[');
    const at = reader.offset;
    const parts = parseIp6(reader.word('an IPv6 address'));
    if (!parts) throw reader.error('an IPv6 address', at);
    reader.expect(']');
    const behind = reader.peek() === 'word' ? reader.word('a port') : ':0';
    if (behind[0] !== ':') throw reader.error("':' and a port", start);
    return { family: 'inet6', address: formatIp6(...parts), port: portOf(reader, behind.slice(1), start) };
  }
  const inet = /^inet\/([^:]*)(?::(.*))?$/.exec(word);
  if (!inet || parseIp4(inet[1]!) < 0) throw reader.error(expected, start);
  return { family: 'inet', address: inet[1]!, port: portOf(reader, inet[2] ?? '0', start) };
}

function print(value: Sockaddr): string {
  if (value.family === 'local') return `local/${quote(value.path)}`;
  const port = value.port === 0 ? '' : `:${value.port}`;
  return value.family === 'inet' ? `inet/${value.address}${port}` : `inet6/[${value.address}]${port}`;
}

function size(value: Sockaddr): number {
  if (value.family === 'local') return 3 + Buffer.byteLength(value.path);
  return value.family === 'inet' ? 16 : 28;
}

export const sockaddr: Form<Sockaddr> = {
  label: 'socket address',
  align: 1,
  makeDefault: () => {
    throw new NetgraphError('EINVAL', 'a socket address must be given');
  },
  isDefault: () => false,
  parse,
  print,
  size,
  encode(view, offset, value) {
    const bytes = size(value);
    if (bytes > 255) throw new NetgraphError('EINVAL', `a path of ${bytes - 3} bytes: 252 at most`);
    view.setUint8(offset, bytes);
    if (value.family === 'local') {
      view.setUint8(offset + 1, AF_LOCAL);
      new Uint8Array(view.buffer, view.byteOffset + offset + 2, bytes - 3).set(Buffer.from(value.path));
      return offset + bytes;
    }
    view.setUint16(offset + 2, value.port);
    if (value.family === 'inet') {
      view.setUint8(offset + 1, AF_INET);
      view.setUint32(offset + 4, parseIp4(value.address));
    } else {
      view.setUint8(offset + 1, AF_INET6);
      parseIp6(value.address)!.forEach((word, i) => view.setUint32(offset + 8 + 4 * i, word));
    }
    return offset + bytes;
  },
  decode(view, offset) {
    const bytes = view.getUint8(offset);
    const family = view.getUint8(offset + 1);
    if (offset + bytes > view.byteLength) throw new RangeError('past the end');
    const port = bytes >= 4 ? view.getUint16(offset + 2) : 0;
    if (family === AF_INET && bytes === 16) {
      return { family: 'inet', address: formatIp4(view.getUint32(offset + 4)), port };
    }
    if (family === AF_INET6 && bytes === 28) {
      const word = (i: number): number => view.getUint32(offset + 8 + 4 * i);
      return { family: 'inet6', address: formatIp6(word(0), word(1), word(2), word(3)), port };
    }
    if (family === AF_LOCAL && bytes >= 3) {
      const path = Buffer.from(view.buffer, view.byteOffset + offset + 2, bytes - 2).toString();
      return { family: 'local', path: path.split('\0', 1)[0]! };
    }
    throw new NetgraphError('EAFNOSUPPORT', `an address of family ${family} and ${bytes} bytes`);
  },
};
