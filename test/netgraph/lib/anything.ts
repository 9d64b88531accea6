// A message's argument that is any value: for types of tests and benchmarks, which nobody tells anything in text or bytes. Its bytes are the
// number of a value that is kept.
import { NetgraphError } from '../../../src/netgraph/index.ts';
import type { Form } from '../../../src/netgraph/message/shape.ts';

const kept: unknown[] = [];

export const anything: Form<unknown> = {
  label: 'anything',
  align: 4,
  makeDefault: () => undefined,
  isDefault: value => value === undefined,
  parse: () => {
    throw new NetgraphError('EOPNOTSUPP', 'it has no text');
  },
  print: value => JSON.stringify(value) ?? '',
  size: () => 4,
  encode(view, offset, value) {
    view.setUint32(offset, kept.push(value) - 1);
    return offset + 4;
  },
  decode: (view, offset) => kept[view.getUint32(offset)],
};
