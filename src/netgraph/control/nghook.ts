// nghook(8): joins a hook to a socket node of its own; what is read from the input goes out of it, a packet each time something is
// read, and packets that come in are written to the output.
import { setTimeout as sleep } from 'node:timers/promises';
import { CODES, NetgraphError } from '../graph/error.ts';
import type { Connect } from '../message/generic.ts';
import { dumpAscii } from './format.ts';
import type { Messenger } from './messenger.ts';
import { EX_OSERR } from './ngctl.ts';

export interface NghookOptions {
  readonly path: string;
  readonly hook: string;
  /** Packets are written as a dump in hexadecimal and ASCII (-a). */
  readonly ascii: boolean;
  /** Packets that come go back too (-l). */
  readonly loop: boolean;
  /** `command argument`, sent once joined (-m). */
  readonly messages: readonly string[];
  /** Called when joined and told. Absent: nothing is read (-n), and nghook runs until it is ended. */
  readonly input?: () => AsyncIterable<Uint8Array>;
  /** False: the output takes no more for now, and packets are dropped. */
  readonly write: (data: Uint8Array) => boolean;
  readonly printError: (text: string) => void;
  /** The graph is gone. */
  readonly ended: Promise<unknown>;
}

const OUR_HOOK = 'hook';
/** How long a packet is tried for while too many wait in the graph, in milliseconds. */
const PATIENCE_MS = 5000;

/** Gives the exit code: as in FreeBSD nghook only ends because something did, so it is never 0. */
export async function nghook(messenger: Messenger, options: NghookOptions): Promise<number> {
  const { path, hook, printError } = options;
  const warn = (text: string): void => printError(`nghook: ${text}\n`);
  let dropped = 0;
  messenger.onData((_, data) => {
    const text = options.ascii ? Buffer.from(`${dumpAscii(data)}\n`) : data;
    if (!options.write(text)) dropped++;
    if (options.loop) {
      // Where the graph is too busy to take it back it is dropped, as anywhere in a graph.
      messenger.write(OUR_HOOK, data).catch(() => dropped++);
    }
  });
  let doing = "can't connect to node";
  try {
    await messenger.request('.:', 'connect', { path, ourhook: OUR_HOOK, peerhook: hook } satisfies Connect);
    for (const message of options.messages) {
      doing = `sending message '${message}'`;
      const [command = '', text = ''] = message.trim().split(/\s(.*)/s, 2);
      await messenger.message(path, command, text);
    }
    doing = 'write(hook)';
    if (options.input) await Promise.race([pump(messenger, options.input()), options.ended]);
    else await options.ended;
    warn(options.input ? 'EOF(stdin)' : 'read EOF from hook');
  } catch (error) {
    if (!(error instanceof NetgraphError)) throw error;
    warn(`${doing}: ${CODES[error.code]}`);
    warn(error.explanation);
  }
  if (dropped > 0) warn(`${dropped} packets dropped`);
  return EX_OSERR;
}

async function pump(messenger: Messenger, input: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const data of input) {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      try {
        await messenger.write(OUR_HOOK, data);
        break;
      } catch (error) {
        if (!(error instanceof NetgraphError) || error.code !== 'ENOBUFS' || performance.now() > deadline) throw error;
        await sleep(1);
      }
    }
  }
}
