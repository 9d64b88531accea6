// Providers that misbehave as their names say: modules of a configuration's `dplane provider NAME module …`.
import { type Provider, type TestFaults, TestProvider } from '../../src/dataplane/index.ts';

const KINDS: Readonly<Record<string, TestFaults>> = {
  fails: { failRate: 0.3, undoFailRate: 0.3 },
  throws: { throwNth: 4 },
  stalls: { stallRate: 0.9, delayMs: 5 },
  /** Its thread: that of the dataplane where it has none of its own. */
  dies: { exitNth: 4 },
  crashes: { exitNth: 4 },
};

export default ({ name }: { name: string }): Provider => new TestProvider({ name, ...KINDS[name] });
