// What a control half asks the data half of a node that runs in one worker, since only that one knows: a question goes by `say`, its
// answer comes by `tell`. A worker that dies answers nothing; its successor is asked again: a question changes nothing.
//
//    control  asks.ask(question) ──say──▶ heard(value): answer(this.node, value, …)     data
//             asks.told(value)   ◀─tell─
//             workerBegun(worker): asks.again(worker)
import { NetgraphError } from '../../graph/error.ts';
import type { Node } from '../../graph/node.ts';
import type { DataContext } from '../../worker/half.ts';

/** What is said. */
export interface Question<Q> {
  readonly ask: number;
  readonly question: Q;
}

interface Answer {
  readonly answered: number;
  readonly answer: unknown;
}

export class Asks<Q, A> {
  readonly #node: Node;
  readonly #waiting: Map<number, PromiseWithResolvers<A> & { readonly question: Q }> = new Map();
  #next = 1;

  constructor(node: Node) {
    this.#node = node;
  }

  /** As `sayTo`. */
  ask(question: Q): Promise<A> {
    const ask = this.#next++;
    sayTo(this.#node, { ask, question } satisfies Question<Q>);
    const waits = { ...Promise.withResolvers<A>(), question };
    this.#waiting.set(ask, waits);
    return waits.promise;
  }

  /** Takes what was told where it is an answer. */
  told(value: unknown): boolean {
    if (typeof value !== 'object' || value === null || !('answered' in value)) return false;
    const { answered, answer } = value as Answer;
    const waits = this.#waiting.get(answered);
    this.#waiting.delete(answered);
    waits?.resolve(answer as A);
    return true;
  }

  /** The worker has taken the place of one that died. */
  again(worker: number): void {
    if (worker !== this.#node.worker) return;
    for (const [ask, { question }] of this.#waiting) sayTo(this.#node, { ask, question } satisfies Question<Q>);
  }

  /** Nobody answers any more. */
  end(why: string): void {
    for (const { reject } of this.#waiting.values()) reject(new NetgraphError('EIO', why));
    this.#waiting.clear();
  }
}

/** Says something to the node's worker. EAGAIN where that has died, ENOBUFS where too much waits for it already. */
export function sayTo(node: Node, value: unknown): void {
  if (node.say(value)) return;
  if (node.graph.plane.health(node.worker).state === 'restarting') {
    const where = `worker ${node.worker}, where node ${node.address} runs`;
    throw new NetgraphError('EAGAIN', `${where}, has died, and another is to take its place`);
  }
  throw new NetgraphError('ENOBUFS', `too much waits for node ${node.address} already`);
}

export function isQuestion<Q>(value: unknown): value is Question<Q> {
  return typeof value === 'object' && value !== null && 'ask' in value;
}

/** False where it is to be asked again: too much waits for the control half. */
export function answer(node: DataContext, { ask }: Question<unknown>, value: unknown): boolean {
  return node.tell({ answered: ask, answer: value } satisfies Answer);
}
