// A port is whatever a program moves packets with: a socket, a ring of a device, a hook of a graph, a test's double. The library asks
// little of it, because binding is a matter of names: no packet ever passes through here.
export interface Port {
  /** For people: messages and lists. */
  readonly name: string;
  /** Takes the proxy's hardware address, when it is bound: so that what it sends and the kernel's ARP agree. */
  setMac?(mac: Uint8Array): void;
}

export interface ProxyInfo {
  /** 0 while the kernel has not made it known, and when it is gone. */
  readonly ifindex: number;
  readonly name: string;
  readonly mtu: number;
  /** Empty where there is none. */
  readonly mac: Uint8Array;
  readonly up: boolean;
  readonly carrier: boolean;
}

/** `new`: not yet seen in the kernel's history. `gone`: deleted under us, or moved to another network namespace. */
export type ProxyState = 'new' | 'there' | 'gone' | 'destroyed';

/** An interface that the kernel shows in place of ports that it does not see. Made by `IfProxy`. */
export interface Proxy {
  readonly id: number;
  readonly info: ProxyInfo;
  readonly state: ProxyState;
  /** Destroyed as soon as nothing uses it any more. */
  readonly destroyed: boolean;
  /** Descriptor of a TAP or TUN that the library made: readable when the kernel sends by it. Undefined for an adopted one. */
  readonly fd: number | undefined;
  /**
   * What the kernel sends by this interface: the length of the frame read into `into`, or 0 where none waits.
   * For those that have `fd`.
   */
  receive(into: Uint8Array): number;
  /** Hands the kernel a frame as if it came in by this interface. False where it was refused: the interface is down. */
  transmit(frame: Uint8Array): boolean;
}

/** A mistake of the caller: the message has the value at fault. */
export class IfProxyError extends Error {
  override readonly name: string = 'IfProxyError';
}
