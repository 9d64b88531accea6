// netgraph's own reader/writer gate in front of node types of ours, for the comparison: one word a node, shared by all workers, which each
// packet enters as a reader (ng_acquire_read: a load, a compare-and-exchange that adds a reader) and leaves (ng_leave_read: a subtraction)
// before the node's work is done. Nobody ever writes here, so nobody waits: this is what the gate costs where it is of no use. FreeBSD's
// lock of the topology and its counts of references, four more such operations a hop, are left out.
import { compareExchange, load, sub, words } from '../../src/concurrency/index.ts';
import { type DataContext, DataHalf, type DataHook, type NodeType } from '../../src/netgraph/index.ts';
import { standardTypes } from '../../src/netgraph/index.ts';

const READER = 4;
const WRITER_OR_PENDING = 3;
/** Words from one node's gate to the next's: cache lines of their own. */
const APART = 32;
const NODES = 64;

/** Memory for the gates of a graph's first nodes; it has to be the first that the graph is told of. */
export function gateMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(NODES * APART * 4);
}

function gated(name: string): NodeType {
  const type = standardTypes.find(type => type.name === name)!;
  class Gated extends DataHalf {
    readonly #inner: DataHalf;
    readonly #gates: Int32Array;
    readonly #at: number;

    constructor(node: DataContext) {
      super(node);
      this.#inner = new type.data!(node);
      const memory = node.memory(1);
      this.#gates = words(memory, 0, memory.byteLength / 4);
      this.#at = (node.id % NODES) * APART;
    }

    override configure(config: unknown): void {
      this.#inner.configure(config);
    }
    override hookAdded(hook: DataHook): void {
      this.#inner.hookAdded(hook);
    }
    override hookRemoved(hook: DataHook): void {
      this.#inner.hookRemoved(hook);
    }

    override receive(hook: DataHook, handles: Int32Array, count: number): void {
      const gates = this.#gates;
      const at = this.#at;
      for (let i = 0; i < count; i++) {
        for (;;) {
          const before = load(gates, at);
          if ((before & WRITER_OR_PENDING) === 0 && compareExchange(gates, at, before, before + READER) === before)
            break;
        }
        sub(gates, at, READER);
      }
      this.#inner.receive(hook, handles, count);
    }
  }
  return { ...type, name: `gated-${name}`, data: Gated, url: import.meta.url };
}

export const gatedIpfwd: NodeType = gated('ipfwd');
export const gatedFib4: NodeType = gated('fib4');
export const gatedHole: NodeType = gated('hole');
