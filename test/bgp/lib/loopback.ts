// Routers of a test file, in a network namespace of the file's own where all of 10.9.0.0/24 is local to the loopback interface without
// being an interface's address: any number of speakers in one process, each at an address of its own.
import { after, afterEach, before } from 'node:test';
import { enterNetworkNamespace } from '../../../src/sys/index.ts';
import { Lab, type Namespace } from '../../lib/netns.ts';
import type { Router } from './router.ts';

/** What a test puts into the list is closed when it ends. `prepare`: what else the namespace has. */
export function routersOnLoopback(
  name: string,
  prepare: (namespace: Namespace, lab: Lab) => Promise<void> | void = () => {},
): Router[] {
  const routers: Router[] = [];
  const lab = new Lab();
  before(async () => {
    const namespace = await lab.namespace(name);
    await namespace.run('ip', 'route', 'add', 'local', '10.9.0.0/24', 'dev', 'lo');
    await prepare(namespace, lab);
    enterNetworkNamespace(namespace.path);
  });
  after(() => lab.close());
  afterEach(() => {
    for (const router of routers.splice(0)) router.close();
  });
  return routers;
}
