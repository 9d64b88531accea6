// Network namespaces with names, as `ip netns add` makes them, without touching the host's: in a mount namespace of their own, where
// /run is empty. Daemons that are started here find them under /run/netns.
import { readlinkSync } from 'node:fs';
import { Lab, Namespace } from './netns.ts';
import { until } from './wait.ts';

export class NamedNamespaces extends Namespace {
  static async make(lab: Lab, name: string): Promise<NamedNamespaces> {
    const script = 'mount -t tmpfs run /run && mkdir /run/netns && ip link set lo up && exec sleep infinity';
    const holder = lab.spawn('unshare', ['--net', '--mount', 'sh', '-c', script], { stdio: 'ignore' });
    const own = readlinkSync('/proc/self/ns/mnt');
    const made = new NamedNamespaces(lab, name, holder.pid!);
    const ready = async (): Promise<boolean> =>
      readlinkSync(`/proc/${holder.pid}/ns/mnt`) !== own &&
      (await made.run('ip', '-o', 'link', 'show', 'up').catch(() => '')).includes('lo') &&
      (await made.run('ls', '/run')).trim() === 'netns';
    await until(ready, { what: `a place for ${name}` });
    return made;
  }

  override wrap(argv: readonly string[]): [string, string[]] {
    return ['nsenter', [`--net=${this.path}`, `--mount=/proc/${this.pid}/ns/mnt`, '--', ...argv]];
  }

  /** Runs a command in the namespace of this name. */
  in(name: string, ...argv: string[]): Promise<string> {
    return this.run('ip', 'netns', 'exec', name, ...argv);
  }

  /** `ip -j` there, parsed. */
  ipJsonIn<T = Record<string, unknown>[]>(name: string, ...argv: string[]): Promise<T> {
    return this.ipJson<T>('-n', name, ...argv);
  }
}
