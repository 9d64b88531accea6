// The driver of the state machine for one neighbour: it turns what happens on connections and timers into inputs, and does
// what the outputs say.
import type { Session, SessionConfig, SessionEnvironment, SessionHandler } from './types.ts';

/** A session, idle until `start`. */
export function createSession(config: SessionConfig, environment: SessionEnvironment, handler: SessionHandler): Session {
  throw new Error(`no session yet for ${config.remote.port} ${String(environment)} ${String(handler)}`);
}
