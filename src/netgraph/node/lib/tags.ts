// Tags of packets as numbers. FreeBSD hangs a list of structures on a packet; a packet of ours has four words for tags. A tag is a cookie, an
// ID and data: cookie and ID get a number, each data seen with them another; a word is both. So one comparison tells whether a tag is
// there with this data, and one of the lower half whether with any. The numbers are the graph's, and stay as long as it does.
import { NetgraphError } from '../../graph/error.ts';
import type { Graph } from '../../graph/graph.ts';

/** The half of a tag's word that is its cookie and ID. */
export const TAG_KIND = 0xffff;
const MOST = 0xffff;

export interface Tag {
  readonly cookie: number;
  readonly id: number;
  readonly data: readonly number[];
}

class Registry {
  readonly #kinds: Map<string, { readonly number: number; readonly data: Map<string, number> }> = new Map();

  word({ cookie, id, data }: Tag): number {
    const key = `${cookie} ${id}`;
    let kind = this.#kinds.get(key);
    if (!kind) {
      if (this.#kinds.size === MOST) throw new NetgraphError('ENOBUFS', `the graph has ${MOST} kinds of tags already`);
      kind = { number: this.#kinds.size + 1, data: new Map() };
      this.#kinds.set(key, kind);
    }
    const text = data.join();
    let number = text === '' ? 0 : kind.data.get(text);
    if (number === undefined) {
      if (kind.data.size === MOST)
        throw new NetgraphError('ENOBUFS', `the graph has ${MOST} tags of this kind already`);
      number = kind.data.size + 1;
      kind.data.set(text, number);
    }
    return (number << 16) | kind.number;
  }
}

const registries: WeakMap<Graph, Registry> = new WeakMap();

/** The word of a tag in this graph. ENOBUFS where there are too many. */
export function tagWord(graph: Graph, tag: Tag): number {
  let registry = registries.get(graph);
  if (!registry) registries.set(graph, (registry = new Registry()));
  return registry.word(tag);
}
