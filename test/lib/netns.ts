// Tests build their networks with the demo's own lab.
import type { Lab, Namespace } from '../../src/cli/demo/lab.ts';

export { Lab, Namespace, runCommand } from '../../src/cli/demo/lab.ts';

/** A namespace whose interfaces say nothing by themselves (IPv6 would): on their wires are the test's own frames. */
export async function quietNamespace(lab: Lab, name: string): Promise<Namespace> {
  const namespace = await lab.namespace(name);
  await namespace.run('sh', '-c', 'echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6');
  return namespace;
}
