// Ethernet frames for the tests of node types. Hosts are numbers: host 5 is 02:00:00:00:00:05.
export const BROADCAST = 'ff:ff:ff:ff:ff:ff';
export const MULTICAST = '01:00:5e:00:00:05';

/** The address of a host, or the address that is given. */
export function address(host: number | string): string {
  if (typeof host === 'string') return host;
  return `02:00:00:00:${(host >> 8).toString(16).padStart(2, '0')}:${(host & 255).toString(16).padStart(2, '0')}`;
}

/** A VLAN tag: its protocol and its TCI. */
export type Tag = readonly [protocol: number, tci: number];

export interface FrameOptions {
  readonly type?: number;
  readonly tags?: readonly Tag[];
  readonly payload?: string | Uint8Array;
}

export function frame(to: number | string, from: number | string, options: FrameOptions = {}): Buffer {
  const { type = 0x88b5, tags = [], payload = '' } = options; // 88b5: for experiments (IEEE 802)
  const macs = [to, from].map(host => Buffer.from(address(host).replaceAll(':', ''), 'hex'));
  const types = Buffer.alloc(tags.length * 4 + 2);
  tags.forEach(([protocol, tci], i) => {
    types.writeUInt16BE(protocol, i * 4);
    types.writeUInt16BE(tci, i * 4 + 2);
  });
  types.writeUInt16BE(type, tags.length * 4);
  return Buffer.concat([...macs, types, typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload]);
}
