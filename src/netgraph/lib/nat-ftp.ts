// Where FTP says an address in its control connection (RFC 959 §4.1.2, RFC 2428): whoever says it waits there for the connection that the
// file comes by. A NAT has to say its own there instead.

export const FTP_PORT = 21;
/** Such a line is no longer. */
export const FTP_LINE_BYTES = 256;

export interface FtpAddress {
  /** Where it stands in the line, and how many characters. */
  readonly at: number;
  readonly length: number;
  /** Undefined: that of who says it. */
  readonly address: number | undefined;
  readonly port: number;
  /** Another in its place. */
  write(address: number, port: number): string;
}

const NUMBERS = /^PORT +((?:\d{1,3},){5}\d{1,3})\r\n$/i;
const EXTENDED = /^EPRT +(\|1\|\d{1,3}(?:\.\d{1,3}){3}\|\d{1,5}\|)\r\n$/i;
const PASSIVE = /^227 [^\r\n(]*\(?((?:\d{1,3},){5}\d{1,3})[^\r\n]*\r\n$/;
const EXTENDED_PASSIVE = /^229 [^\r\n(]*\((\|\|\|\d{1,5}\|)\)[^\r\n]*\r\n$/;

/** What a client (`command`) or a server says in this line, where it is a whole one that says an address. */
export function ftpAddress(line: string, command: boolean): FtpAddress | undefined {
  const numbers = (command ? NUMBERS : PASSIVE).exec(line)?.[1];
  if (numbers !== undefined) {
    const [a, b, c, d, high, low] = numbers.split(',').map(Number) as [number, number, number, number, number, number];
    if (Math.max(a, b, c, d, high, low) > 255) return undefined;
    return {
      at: line.indexOf(numbers),
      length: numbers.length,
      address: ((a << 24) | (b << 16) | (c << 8) | d) >>> 0,
      port: high * 256 + low,
      write: (address, port) => [...bytesOf(address), port >>> 8, port & 255].join(','),
    };
  }
  const extended = (command ? EXTENDED : EXTENDED_PASSIVE).exec(line)?.[1];
  if (extended === undefined) return undefined;
  const [, , host, port] = extended.split('|') as [string, string, string, string];
  const parts = host.split('.').map(Number);
  if (Number(port) > 65_535 || parts.some(part => part > 255)) return undefined;
  return {
    at: line.indexOf(extended),
    length: extended.length,
    address: command ? parts.reduce((word, part) => word * 256 + part, 0) : undefined,
    port: Number(port),
    write: (address, said) => (command ? `|1|${bytesOf(address).join('.')}|${said}|` : `|||${said}|`),
  };
}

function bytesOf(address: number): number[] {
  return [address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255];
}
