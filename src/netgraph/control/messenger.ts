// What ngctl and nghook need of a graph: a socket node that sends control messages and data, and gets them. It is the same within
// the process (the graph makes one) and over the daemon's socket (client.ts).

/** A message that came to the socket node, in ASCII. */
export interface Reply {
  /** The command's name. */
  readonly command: string;
  readonly cmd: number;
  /** The sender's address: `[7]:` or `name:`. */
  readonly from: string;
  /** Its argument, undefined where there is none. */
  readonly ascii: string | undefined;
  /** It answers; otherwise it asks or tells of its own accord. */
  readonly response: boolean;
}

/** What a node did on one worker since the start. */
export interface RuntimeRow {
  /** Its name, or `[7]` where it has none. */
  readonly node: string;
  readonly type: string;
  readonly worker: number;
  /** How often packets were brought to it. */
  readonly vectors: number;
  readonly packets: number;
  /** Packets that ended here. */
  readonly drops: number;
  /** The same by reason (DROP_REASONS), those that have happened. */
  readonly reasons: Readonly<Record<string, number>>;
  /** Nanoseconds spent in it. */
  readonly ns: number;
}

export interface Messenger {
  /** The socket node's own address: `ngctl123:`. */
  readonly name: string;
  /** A message with its argument as a value, its command by name (`mkpeer`); settles with the response's argument, undefined
   *  where there is none. Rejects with NetgraphError. */
  request(path: string, command: string, args?: unknown): Promise<unknown>;
  /** As `ngctl msg`: the argument in ASCII, empty where there is none. Gives the responses. */
  message(path: string, command: string, ascii: string): Promise<readonly Reply[]>;
  /** A packet out of a hook of the socket node. */
  write(hook: string, data: Uint8Array): Promise<void>;
  /** What comes unasked. */
  onMessage(fn: (reply: Reply) => void): void;
  onData(fn: (hook: string, data: Uint8Array) => void): void;
  /** Makes the node types that a module exports known to the graph: its path, from /. Gives their names. */
  load(file: string): Promise<readonly string[]>;
  /** All nodes on all workers. */
  runtime(): Promise<readonly RuntimeRow[]>;
  /** The socket node is gone when it settles, its hooks with it. */
  close(): Promise<void>;
}
