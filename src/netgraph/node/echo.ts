// ng_echo(4): what comes in by a hook goes out of it again, data and messages alike.
import { ControlHalf, type NodeType, type Sender } from '../graph/type.ts';
import { DataHalf } from '../worker/half.ts';
import type { DataHook } from '../worker/node.ts';
import { endsAlone } from './lib/alone.ts';

class EchoControl extends ControlHalf {
  override disconnected(): void {
    endsAlone(this.node);
  }

  override received(_name: string, args: unknown, _sender: Sender): unknown {
    return args;
  }
}

class EchoData extends DataHalf {
  override receive(hook: DataHook, _handles: Int32Array, count: number): void {
    hook.pass(count);
  }
}

export const echo: NodeType = { name: 'echo', cookie: 884298942, messages: [], control: EchoControl, data: EchoData };
