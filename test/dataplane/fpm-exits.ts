// FPM's provider, for a worker that can be made to die in the middle of its work.
import { load } from '../../src/concurrency/index.ts';
import type { Provider, ProviderSettings, ProviderWork } from '../../src/dataplane/index.ts';
import fpm from '../../src/dataplane/provider/fpm/provider.ts';

export default function make(settings: ProviderSettings): Provider {
  const provider = fpm(settings);
  const turn = provider.process.bind(provider);
  const die = new Int32Array(settings['die'] as SharedArrayBuffer);
  return Object.assign(provider, {
    process(work: ProviderWork): void {
      turn(work);
      if (load(die, 0) === 1) process.exit(7);
    },
  });
}
