// ng_split(4): takes a hook that goes both ways apart. What comes in by `in` goes out of `mixed`, what comes in by `mixed` goes out of
// `out`; nothing may come in by `out`.
import { NetgraphError } from '../graph/error.ts';
import type { Hook } from '../graph/node.ts';
import { ControlHalf, type NodeType } from '../graph/type.ts';
import { DataHalf, DROP } from '../worker/half.ts';
import type { DataHook } from '../worker/node.ts';
import { endsAlone } from './lib/alone.ts';

class SplitControl extends ControlHalf {
  override newHook({ name }: Hook): void {
    if (name !== 'in' && name !== 'out' && name !== 'mixed') {
      throw new NetgraphError('EINVAL', `a split has hooks in, out, mixed, not '${name}'`);
    }
  }

  override disconnected(): void {
    endsAlone(this.node);
  }
}

class SplitData extends DataHalf {
  override receive(hook: DataHook, handles: Int32Array, count: number): void {
    const { name } = hook;
    if (name === 'out') {
      this.node.dropMany(handles, count, DROP.filtered);
      return;
    }
    const out = this.node.hook(name === 'in' ? 'mixed' : 'out');
    if (out) out.pass(count);
    else this.node.dropMany(handles, count, DROP.notConnected);
  }
}

export const split: NodeType = {
  name: 'split',
  cookie: 949_409_402,
  messages: [],
  control: SplitControl,
  data: SplitData,
};
