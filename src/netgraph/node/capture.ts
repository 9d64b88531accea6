// A capture of packets as a pcapng file, for Wireshark and tcpdump. FreeBSD has no such type. It either stands in a wire, between `left` and
// `right`, or at its end, where `in` swallows what comes (a tee's tap, for one).
//
//    start { file="/tmp/x.pcapng" snaplen=96 limit=1000 }     dlt=12 where packets are bare IP; what is not said: whole packets, no limit
//    stop                                                     answers when all is in the file
//
// Workers write blocks into buffers of their own and hand them over, 64 KiB or 100 ms at a time; the graph's thread appends them to the
// file, one by one and without waiting. So no block is ever torn, and no packet waits for a disk: what comes faster than the disk
// takes it is lost to the file, and counted there. Packets of several workers are in the file each in their order.
import type { Hook } from '../graph/node.ts';
import { NetgraphError } from '../graph/error.ts';
import { command, ControlHalf, type NodeType } from '../graph/type.ts';
import { LINKTYPE_ETHERNET, LINKTYPE_RAW, writeInterface, writeSection, writeStatistics } from '../lib/pcapng.ts';
import { string, struct, uint32, uint64, uint8, type ValueOf } from '../message/form.ts';
import { endsAlone, joinNeighbours } from './lib/alone.ts';
import { type CaptureConfig, CaptureData, type Chunk } from './lib/capture-data.ts';
import { CaptureFile } from './lib/capture-file.ts';
import { checkDlt, DLT_EN10MB, DLT_RAW } from './lib/dlt.ts';
import { onlyHooks } from './lib/hook-of.ts';
import { releaseAtEnd } from './lib/release.ts';

const order = struct({ file: string, snaplen: uint32, limit: uint64, dlt: uint8 });
type Order = ValueOf<typeof order>;
const status = struct({
  file: string,
  running: uint8,
  packets: uint64,
  lost: uint64,
  octets: uint64,
  error: string,
});
type Status = ValueOf<typeof status>;

/** A capture under way, and the last one for who asks how it went. */
interface Run {
  readonly number: number;
  readonly file: CaptureFile;
  readonly order: Order;
  readonly startMs: number;
  readonly interfaces: number;
  /** By interface: in the file, and lost. */
  readonly packets: [number, number];
  readonly lost: [number, number];
  /** Workers that may still have something; empty while it goes on. */
  readonly awaited: Set<number>;
  readonly ended: PromiseWithResolvers<void>;
  state: 'running' | 'stopping' | 'ended';
}

class CaptureControl extends ControlHalf {
  #run: Run | undefined;
  #runs = 0;

  override newHook(hook: Hook): void {
    onlyHooks(hook, ['left', 'right', 'in']);
    const wire = hook.name !== 'in';
    if ([...this.node.hooks.keys()].some(name => (name !== 'in') !== wire)) {
      throw new NetgraphError('EINVAL', `a capture has hooks left and right, or in alone: not '${hook.name}' as well`);
    }
  }

  override disconnected(): void {
    endsAlone(this.node);
  }

  override shutdown(): void {
    joinNeighbours(this.node, 'left', 'right');
    const run = this.#run;
    // Each worker writes what it has left when its half of the node ends.
    if (run && run.state !== 'ended') releaseAtEnd(this.node, () => this.#finish(run));
  }

  override config(): CaptureConfig {
    const run = this.#run;
    if (run?.state !== 'running') return { run: 0, fd: -1, snaplen: 0, limit: 0 };
    return { run: run.number, fd: run.file.fd, snaplen: run.order.snaplen, limit: run.order.limit };
  }

  start(wanted: Order): void {
    if (this.#run && this.#run.state !== 'ended') {
      throw new NetgraphError('EBUSY', `node ${this.node.address} captures to '${this.#run.file.path}'`);
    }
    const dlt = wanted.dlt === 0 ? DLT_EN10MB : wanted.dlt;
    checkDlt(dlt);
    if (wanted.file === '') throw new NetgraphError('EINVAL', 'file: where to?');
    const names = this.node.hooks.has('in') ? ['in'] : ['left', 'right'];
    const file = new CaptureFile(wanted.file);
    file.begin(head(names, this.node.address, dlt === DLT_RAW ? LINKTYPE_RAW : LINKTYPE_ETHERNET, wanted.snaplen));
    const before = this.#run;
    this.node.graph.onUndo(() => {
      this.#run = before;
      void file.end();
    });
    this.#run = {
      number: ++this.#runs,
      file,
      order: wanted,
      startMs: Date.now(),
      interfaces: names.length,
      packets: [0, 0],
      lost: [0, 0],
      awaited: new Set(),
      ended: Promise.withResolvers(),
      state: 'running',
    };
    this.node.reconfigure();
  }

  /** Settles when the file is complete. */
  stop(): Promise<void> {
    const run = this.#run;
    if (!run || run.state === 'ended')
      throw new NetgraphError('ENOTCONN', `node ${this.node.address} captures nothing`);
    this.#stop(run);
    return run.ended.promise;
  }

  override workerGone(worker: number): void {
    const run = this.#run;
    if (run) this.#ended(run, worker);
  }

  override told(worker: number, value: unknown): void {
    const chunk = value as Chunk;
    const run = this.#run;
    if (!run || run.number !== chunk.run || run.state === 'ended') return;
    const { limit } = run.order;
    for (const at of [0, 1] as const) run.lost[at] += chunk.lost[at];
    if (chunk.blocks !== undefined) {
      const room = limit === 0 ? Number.POSITIVE_INFINITY : limit - run.packets[0] - run.packets[1];
      const { blocks, packets } = chunk.packets[0] + chunk.packets[1] <= room ? chunk : cut(chunk.blocks, room);
      const into = run.file.append(blocks!) ? run.packets : run.lost;
      for (const at of [0, 1] as const) into[at] += packets[at];
      if (limit > 0 && run.packets[0] + run.packets[1] >= limit) this.#stop(run);
      else if (run.file.failure !== undefined) this.#stop(run);
    }
    if (chunk.end) this.#ended(run, worker);
  }

  report(): Status {
    const run = this.#run;
    if (!run) return { file: '', running: 0, packets: 0, lost: 0, octets: 0, error: '' };
    return {
      file: run.file.path,
      running: run.state === 'ended' ? 0 : 1,
      packets: run.packets[0] + run.packets[1],
      lost: run.lost[0] + run.lost[1],
      octets: run.file.written,
      error: run.file.failure ?? '',
    };
  }

  override status(): string {
    const { file, running, packets, lost } = this.report();
    if (file === '') return 'captures nothing';
    return `${running ? 'captures' : 'has captured'} to ${file}: ${packets} packets, ${lost} lost`;
  }

  #stop(run: Run): void {
    if (run.state !== 'running') return;
    run.state = 'stopping';
    const { plane } = this.node.graph;
    for (let worker = 0; worker < plane.workers; worker++) {
      // One that begins has nothing to tell.
      if (plane.health(worker).state === 'running') run.awaited.add(worker);
    }
    if (run.awaited.size === 0) this.#finish(run);
    this.node.reconfigure();
  }

  /** The worker captures no more. */
  #ended(run: Run, worker: number): void {
    if (run.awaited.delete(worker) && run.awaited.size === 0) this.#finish(run);
  }

  #finish(run: Run): void {
    if (run.state === 'ended') return;
    run.state = 'ended';
    const now = Date.now();
    const [start, end] = [Math.floor(run.startMs / 1000), Math.floor(now / 1000)];
    const block = new Uint8Array(256);
    let at = 0;
    for (let id = 0; id < run.interfaces; id++) {
      const [packets, lost] = [run.packets[id]!, run.lost[id]!];
      at = writeStatistics(block, at, id, start, end, (now % 1000) * 1e6, packets + lost, lost);
    }
    run.file.append(block.subarray(0, at));
    void run.file.end().then(run.ended.resolve);
  }
}

/** What a file begins with. */
function head(names: readonly string[], address: string, linkType: number, snaplen: number): Uint8Array {
  const block = new Uint8Array(1024);
  let at = writeSection(block, 0, 'grevy netgraph');
  for (const name of names) at = writeInterface(block, at, linkType, snaplen, `${address}${name}`);
  return block.subarray(0, at);
}

/** The first `most` packets of these blocks. */
function cut(blocks: Uint8Array, most: number): { blocks: Uint8Array; packets: [number, number] } {
  const view = new DataView(blocks.buffer, blocks.byteOffset, blocks.byteLength);
  const packets: [number, number] = [0, 0];
  let at = 0;
  for (let i = 0; i < most && at < blocks.length; i++) {
    packets[view.getUint32(at + 8, true) === 1 ? 1 : 0]++;
    at += view.getUint32(at + 4, true);
  }
  return { blocks: blocks.subarray(0, at), packets };
}

export const capture: NodeType = {
  name: 'capture',
  cookie: 1764288021,
  messages: [
    command({
      name: 'start',
      cmd: 1,
      args: order,
      handle: (capture: CaptureControl, wanted) => capture.start(wanted),
    }),
    command({ name: 'stop', cmd: 2, handle: (capture: CaptureControl) => capture.stop() }),
    command({ name: 'status', cmd: 3, reply: status, handle: (capture: CaptureControl) => capture.report() }),
  ],
  control: CaptureControl,
  data: CaptureData,
  counters: ['captured', 'lost'],
};
