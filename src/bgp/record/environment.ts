// What a speaker runs in while it is on tape: everything that it can ask or do goes through the deck. What is not here, it must not
// know: a clock, a random number or a file of its own would make each run another one.
import { networkInterfaces } from 'node:os';
import type { BgpEnvironment } from '../speaker.ts';
import { zapiOverTransport } from '../zclient.ts';
import type { Deck } from './deck.ts';
import type { TapeHead } from './tape.ts';
import { TapedLoop } from './taped-loop.ts';
import { TapedTransport } from './taped-transport.ts';

export function tapedEnvironment(deck: Deck, head: TapeHead, log: (text: string) => void): BgpEnvironment {
  const { tape } = deck;
  const transport = new TapedTransport(deck);
  let wallMs = Date.parse(head.date); // beyond the end of a tape, it stands still
  return {
    loop: new TapedLoop(deck),
    transport,
    random: () => tape.number(Math.random),
    wallMs: () => (wallMs = tape.number(Date.now, wallMs)),
    networkInterfaces: () => tape.json(networkInterfaces, {}),
    hostname: head.hostname,
    log,
    ...(head.zserv === undefined ? {} : { zebra: zapiOverTransport(transport, head.zserv) }),
    ...(head.listenPort === undefined ? {} : { listenPort: head.listenPort }),
  };
}
