// A provider that runs in the dataplane thread and never comes back from its turn cannot be stopped from inside that thread; main
// sees it by the page that says whose turn it is.
import { type DataplaneChannel, DataplanePage } from '../dataplane/index.ts';

/** The same turn for so long is for ever. */
const TURN_MS = 10_000;

/** Gives what is to be asked every so often; `found` hears the name of the provider once its turn has lasted too long. */
export function watchTurns(channel: DataplaneChannel, found: (name: string) => void): () => string | undefined {
  const page = new DataplanePage(channel.page);
  let seen = -1;
  let sinceMs = 0;
  return () => {
    const { provider, number } = page.turn;
    if (provider === 0 || number !== seen) {
      seen = number;
      sinceMs = performance.now();
      return undefined;
    }
    if (performance.now() - sinceMs < TURN_MS) return undefined;
    const name = page.nameOf(provider);
    found(name);
    return `provider ${name} did not come back from its turn for ${TURN_MS} ms`;
  };
}
