// VRFs that are network namespaces. Which there are follows from two lists: what is configured (`vrf NAME`, `netns NAME-or-PATH`),
// and the names in /run/netns, each a VRF of that name unless its namespace is configured to be another one. `reconcile` compares
// them with what is served, begins what is missing and ends what is no more; whatever may have changed something calls it.
//
//   path, inode ──▶ opening ──sockets──▶ starting ──dumped──▶ there ──no name any more──▶ leaving ──▶ (nothing)
//
// An inode is a namespace's for as long as we hold it: the same name over another one is another namespace, and another name over
// the same one is a VRF that was renamed. We hold it by our sockets, so one whose name is gone lives until its zebra has taken its
// routes back.
import { fstatSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { closeFd, errnoName, openNamespace } from '../../sys/index.ts';
import type { DataplanePlane, LentPlane } from '../dataplane.ts';
import { RT_TABLE_MAIN } from '../rib/parts.ts';
import type { Vrf } from '../vrf.ts';
import type { Zebra } from '../zebra.ts';
import { NamespaceDirectory, namespaceAt } from './directory.ts';
import type { Zebras } from './zebras.ts';

/** Bytes of a name of ZAPI's VRF_ADD. */
const NAME_BYTES = 35;
/** A file that is no namespace yet is looked at again so soon, and ever later. */
const RETRY_FIRST_MS = 5;
const RETRY_MAX_MS = 5000;
/** What we leave takes its routes back, for so long at most. */
const LEAVE_MS = 5000;
const LEAVE_LOOK_MS = 5;

export interface NamespacesHost {
  readonly plane: DataplanePlane;
  readonly zebras: Zebras;
  /** Makes the zebra of a namespace and has it run; `fd` is the namespace, for the time of the call. */
  begin(plane: LentPlane, vrf: Vrf, fd: number): Zebra;
  /** It runs no more. */
  end(zebra: Zebra): void;
  later(ms: number, fn: () => void): void;
  log(text: string): void;
}

/** One that is served. */
interface Served {
  name: string;
  path: string;
  readonly inode: number;
  zebra: Zebra | undefined;
  /** It is to go. */
  leaving: boolean;
}

export class Namespaces {
  readonly #host: NamespacesHost;
  readonly #directory: NamespaceDirectory;
  readonly #own: number = statSync('/proc/thread-self/ns/net').ino;
  /** By the name of the VRF. */
  readonly #configured: Map<string, string> = new Map();
  readonly #served: Map<string, Served> = new Map();
  /** Those whose name is gone. */
  readonly #leaving: Set<Served> = new Set();
  readonly #said: Set<string> = new Set();
  readonly #settled: (() => void)[] = [];
  #lastVrf = 0;
  #retryMs = RETRY_FIRST_MS;
  /** When it is looked again unasked. */
  #dueMs = Number.POSITIVE_INFINITY;
  #closed = false;

  constructor(host: NamespacesHost, directory: string) {
    this.#host = host;
    this.#directory = new NamespaceDirectory(directory, () => {
      this.#retryMs = RETRY_FIRST_MS;
      this.#lookAgain(0);
    });
  }

  /** The namespace that a VRF is, by a name in the directory or a path. Throws RangeError where clients could not be told. */
  configure(vrf: string, nameOrPath: string | undefined): void {
    if (nameOrPath === undefined) this.#configured.delete(vrf);
    else {
      const path = resolve(this.#directory.path, nameOrPath);
      if (Buffer.byteLength(this.#nameOf(path)) > NAME_BYTES)
        throw new RangeError(`${nameOrPath} is longer than ${NAME_BYTES} bytes`);
      this.#configured.set(vrf, path);
    }
    this.reconcile();
  }

  /** How clients find it: a name in the directory, or a path. */
  #nameOf(path: string): string {
    const at = statSync(dirname(path), { throwIfNoEntry: false });
    const directory = statSync(this.#directory.path, { throwIfNoEntry: false });
    const there = dirname(path) === this.#directory.path || (at !== undefined && at.ino === directory?.ino);
    return there ? basename(path) : path;
  }

  /** Calls back when all that there are at present are known, or known not to be. */
  onSettled(fn: () => void): void {
    this.#settled.push(fn);
    this.#tellSettled();
  }

  #tellSettled(): void {
    for (const { zebra } of this.#served.values()) if (zebra?.ready !== true) return;
    for (const fn of this.#settled.splice(0)) fn();
  }

  /** What is known of VRFs that may not be there: names, and paths where there are. */
  get configured(): ReadonlyMap<string, string> {
    return this.#configured;
  }

  /** Listens no more; what is served stays so. */
  close(): void {
    this.#closed = true;
    this.#directory.close();
  }

  reconcile(): void {
    if (this.#closed) return;
    this.#directory.follow();
    const wanted = this.#wanted();
    const names = new Map(Array.from(wanted, ([name, { inode }]) => [inode, name]));
    const before = [...this.#served.values()];
    // First what goes, so that its name is free for another.
    for (const one of before) if (!names.has(one.inode)) this.#leave(one);
    for (const one of before) {
      const name = names.get(one.inode);
      if (name !== undefined) this.#rename(one, name, wanted.get(name)!.path);
    }
    const taken = new Map([[this.#own, 'default']]);
    for (const { inode, name } of this.#served.values()) taken.set(inode, name);
    for (const [name, { path, inode }] of wanted) {
      if (this.#served.has(name)) continue;
      const other = taken.get(inode);
      if (other !== undefined) this.#sayOnce(`${path} is not VRF ${name}: it is VRF ${other} already`);
      else {
        taken.set(inode, name);
        this.#begin(name, path, inode);
      }
    }
    this.#tellSettled();
  }

  /** What should be served, by the name of the VRF: what is configured comes first. */
  #wanted(): Map<string, { path: string; inode: number }> {
    const wanted = new Map<string, { path: string; inode: number }>();
    const claimed = new Set<number>();
    let pending = false;
    const consider = (name: string, path: string): void => {
      const inode = namespaceAt(path);
      if (inode === 'other') pending = true;
      else if (inode !== undefined && !claimed.has(inode)) wanted.set(name, { path, inode });
    };
    for (const [name, path] of this.#configured) consider(name, path);
    for (const { inode } of wanted.values()) claimed.add(inode);
    for (const name of this.#directory.names()) {
      if (this.#configured.has(name)) continue;
      if (name === 'default' || Buffer.byteLength(name) > NAME_BYTES || /\s/.test(name))
        this.#sayOnce(`network namespace ${name}: no VRF can have this name`);
      else consider(name, join(this.#directory.path, name));
    }
    // What is to be mounted over a file is not announced; nor is anything where the directory cannot be watched.
    this.#lookAgain(pending ? this.#retryMs : RETRY_MAX_MS);
    this.#retryMs = pending ? Math.min(RETRY_MAX_MS, this.#retryMs * 2) : RETRY_FIRST_MS;
    return wanted;
  }

  #lookAgain(ms: number): void {
    const dueMs = performance.now() + ms;
    if (this.#dueMs <= dueMs) return;
    this.#dueMs = dueMs;
    this.#host.later(ms, () => {
      if (this.#dueMs !== dueMs) return;
      this.#dueMs = Number.POSITIVE_INFINITY;
      this.reconcile();
    });
  }

  /** The same namespace by another name, or at another place. */
  #rename(one: Served, name: string, path: string): void {
    if (one.name === name && one.path === path) return;
    if (this.#served.get(one.name) === one) this.#served.delete(one.name);
    one.name = name;
    one.path = path;
    this.#served.set(name, one);
    const { zebra } = one;
    if (zebra !== undefined) zebra.vrfs.rename({ ...zebra.vrfs.default, ...this.#called(one) });
  }

  #called({ name, path }: Served): Pick<Vrf, 'name' | 'namespace'> {
    return { name, namespace: { path, name: this.#nameOf(path) } };
  }

  #begin(name: string, path: string, inode: number): void {
    let fd: number;
    try {
      fd = openNamespace(path);
    } catch {
      return; // gone again
    }
    if (fstatSync(fd).ino !== inode) {
      closeFd(fd);
      this.#lookAgain(0);
      return;
    }
    const one: Served = { name, path, inode, zebra: undefined, leaving: false };
    this.#served.set(name, one);
    this.#host.plane.open(fd, (plane, errno) => {
      try {
        if (plane === undefined) {
          if (this.#served.get(one.name) === one) this.#served.delete(one.name);
          this.#leaving.delete(one);
          this.#sayOnce(`network namespace ${one.path} cannot be served: ${errnoName(errno)}`);
          this.#tellSettled();
        } else if (one.leaving) {
          plane.end();
          this.#leaving.delete(one);
        } else this.#start(one, plane, fd);
      } finally {
        closeFd(fd);
      }
    });
  }

  #start(one: Served, plane: LentPlane, fd: number): void {
    const { zebras } = this.#host;
    const vrf: Vrf = { id: ++this.#lastVrf, table: RT_TABLE_MAIN, ...this.#called(one) };
    const zebra = this.#host.begin(plane, vrf, fd);
    one.zebra = zebra;
    zebra.onReady(() => {
      if (one.leaving) return;
      zebras.join(zebra);
      this.#host.log(`VRF ${one.name} is the network namespace ${one.path}`);
      this.#tellSettled();
    });
    zebra.start();
  }

  #leave(one: Served): void {
    const { zebras } = this.#host;
    if (this.#served.get(one.name) === one) this.#served.delete(one.name);
    one.leaving = true;
    this.#leaving.add(one);
    const { zebra } = one;
    if (zebra === undefined) return; // its sockets are being opened
    zebras.leave(zebra);
    this.#host.log(`VRF ${one.name} is gone, with the network namespace ${one.path}`);
    if (zebra.ready) zebra.withdraw();
    const endMs = performance.now() + LEAVE_MS;
    const look = (): void => {
      const late = performance.now() >= endMs;
      if ((zebra.ready && !zebra.idle && !late) || !(zebra.plane as LentPlane).end()) {
        this.#host.later(LEAVE_LOOK_MS, look);
        return;
      }
      if (late)
        this.#host.log(`routes stay in what was ${one.path}: ${LEAVE_MS / 1000} s were not enough to take them back`);
      this.#host.end(zebra);
      zebras.forget(zebra);
      this.#leaving.delete(one);
    };
    look();
  }

  #sayOnce(text: string): void {
    if (this.#said.has(text) || this.#said.size >= 100) return;
    this.#said.add(text);
    this.#host.log(text);
  }
}
