// A node type of one's own: of N packets that come in by `in` it passes the first on by `out` and ends the others, as a collector of samples
// would want it.
//
//    grevy ngctl load examples/netgraph/sample.ts
//    grevy ngctl mkpeer t: sample left2right in
//    grevy ngctl msg t:left2right setrate { rate=1000 }
//
// A file anywhere else imports from 'grevy/netgraph', which is the library that loads it.
import {
  command,
  ControlHalf,
  DataHalf,
  type DataHook,
  DROP,
  form,
  type Hook,
  NetgraphError,
  type NodeType,
} from '../../src/netgraph/index.ts';

const rate = form.struct({ rate: form.uint32 });

/** One object a node, in the graph's thread. */
class SampleControl extends ControlHalf {
  rate = 1;

  override newHook({ name }: Hook): void {
    if (name !== 'in' && name !== 'out')
      throw new NetgraphError('EINVAL', `a sample has hooks in and out, not '${name}'`);
  }

  override config(): number {
    return this.rate;
  }

  setRate(wanted: number): void {
    if (wanted === 0) throw new NetgraphError('EINVAL', 'one packet of 0 is none: rate=0');
    this.rate = wanted;
    this.node.reconfigure();
  }
}

/** One object a node and worker, where packets run: it allocates nothing and throws nothing. */
class SampleData extends DataHalf<number> {
  #rate = 1;
  #seen = 0;

  override configure(wanted: number): void {
    this.#rate = wanted;
    this.#seen = 0;
  }

  override receive(hook: DataHook, handles: Int32Array, count: number): void {
    const out = this.node.hook('out');
    if (hook.name !== 'in' || !out) {
      this.node.dropMany(handles, count, DROP.notConnected);
      return;
    }
    let passed = 0;
    for (let i = 0; i < count; i++) {
      const handle = handles[i]!;
      if (this.#seen === 0) handles[passed++] = handle;
      else this.node.drop(handle, DROP.filtered);
      this.#seen = this.#seen + 1 === this.#rate ? 0 : this.#seen + 1;
    }
    this.node.counts[0]! += passed;
    out.sendMany(handles, passed);
  }
}

export const sample: NodeType = {
  name: 'sample',
  cookie: 1_764_288_000, // seconds since 1970 when it was made: nobody else has the same
  messages: [
    command({
      name: 'setrate',
      cmd: 1,
      args: rate,
      handle: (control: SampleControl, args) => control.setRate(args.rate),
    }),
    command({ name: 'getrate', cmd: 2, reply: rate, handle: (control: SampleControl) => ({ rate: control.rate }) }),
  ],
  control: SampleControl,
  data: SampleData,
  counters: ['passed'],
};
