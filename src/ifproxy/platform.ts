// What an operating system has to bring: interfaces that can be made, and its history told into a picture. Everything else (who is
// told what, when, and how often) is the same everywhere.
import type { EventKind } from './event.ts';
import type { Picture } from './picture.ts';
import type { ProxyInfo } from './port.ts';

export interface DeviceOptions {
  /** `tap` (frames of Ethernet) unless told; `tun` is packets of IP. */
  readonly type?: 'tap' | 'tun';
  readonly mtu?: number;
  readonly mac?: Uint8Array;
  /** Set up at once (`ip link set up`). */
  readonly up?: boolean;
}

/** An interface that the library made and holds: it goes when it is closed. */
export interface Device {
  readonly ifindex: number;
  readonly name: string;
  readonly fd: number;
  /** As the system has it now. */
  info(): Omit<ProxyInfo, 'ifindex'>;
  /** The name it has now; undefined where somebody deleted it. */
  currentName(): string | undefined;
  receive(into: Uint8Array): number;
  transmit(frame: Uint8Array): boolean;
  close(): void;
}

export interface HistoryStats {
  /** Times something was lost, and all was read anew. */
  readonly overruns: number;
  readonly dumps: number;
  /** Dumps begun again because something changed under them. */
  readonly interruptions: number;
}

/** The system's history, from `open` on. */
export interface History {
  /** Readable when `step` has something to do; -1: ask `onReady`. */
  readonly fd: number;
  /** Where there is no descriptor: calls this when there is something to do. */
  onReady?(fn: () => void): void;
  /** Does a bounded piece of work; false where there is nothing to do now. */
  step(): boolean;
  /** Milliseconds until it wants to be stepped whatever the descriptor says; -1 = never. */
  wakeInMs(): number;
  readonly stats: HistoryStats;
  /** A proxy has come: these kinds (PICTURE_*) are to be told anew. */
  refresh(kinds: number): void;
  close(): void;
}

export interface HistoryOptions {
  /** Bytes of the receive buffer, where there is one. */
  readonly receiveBuffer?: number;
}

export interface Feedback {
  readonly offload?: boolean;
  readonly trap?: boolean;
}

export interface Platform {
  readonly name: string;
  /** The kinds of events that it delivers. */
  readonly events: ReadonlySet<EventKind>;
  create(name: string | undefined, options: DeviceOptions): Device;
  /** The interface of this name or number, or undefined. */
  find(nameOrIndex: string | number): ProxyInfo | undefined;
  open(picture: Picture, options: HistoryOptions): History;
  /** Changes made by this sender (on Linux a netlink port id) are our own. */
  own?(sender: number): void;
  /** Where the system has a place for what a forwarding plane made of a route: puts it there, and it is told as any change is. */
  feedback?(picture: Picture, routeId: number, feedback: Feedback): boolean;
  close?(): void;
}
