// The state of the bgp thread: policy, instances, and the way to zebra. Everything that configuration changes is level-triggered:
// a line changes a setting, and one coalesced event later the running state is compared with the settings and brought to
// them. So a whole file is applied as one change, and the order of its lines does not matter.
import type { EventTask, TaskLoop, TimerTask } from '../concurrency/index.ts';
import { type CommandArgs, CommandError } from '../vty/index.ts';
import { BgpInstance } from './instance.ts';
import { Interfaces } from './interfaces.ts';
import { PolicyLibrary } from './policy/index.ts';
import type { BgpEnvironment, Speaker } from './speaker.ts';
import { ZebraLink } from './zclient.ts';

/** Changes of policy are gathered this long before the affected routes are evaluated anew. */
const POLICY_DELAY_MS = 20;

/** The instance that a configuration line's block belongs to. */
export function instanceOf(bgp: Bgp, _context: readonly CommandArgs[]): BgpInstance {
  return bgp.instance();
}

export class Bgp implements Speaker {
  readonly environment: BgpEnvironment;
  readonly loop: TaskLoop;
  readonly policy: PolicyLibrary = new PolicyLibrary();
  /** By VRF name; the default one is `default`. */
  readonly instances: Map<string, BgpInstance> = new Map();
  readonly zebra: ZebraLink | undefined;
  hostname: string;
  noRib = false;
  /** When settings or surroundings changed last; of the loop's clock. */
  changedMs = 0;
  #interfaces: Interfaces | undefined;
  readonly #reconcile: EventTask;
  readonly #policyTimer: TimerTask;

  constructor(environment: BgpEnvironment) {
    this.environment = environment;
    this.loop = environment.loop;
    this.hostname = environment.hostname ?? '';
    this.#reconcile = this.loop.event('bgp configuration', () => {
      for (const instance of this.instances.values()) instance.reconcile();
    });
    this.#policyTimer = this.loop.timer('bgp policy update', () => this.#policyChanged());
    this.policy.onChange = () => {
      if (!this.#policyTimer.active) this.#policyTimer.start(POLICY_DELAY_MS);
    };
    this.zebra = environment.zebra === undefined ? undefined : new ZebraLink(this, environment.zebra);
  }

  /** Zebra's interfaces; without zebra the system's, looked up once per round of configuration. */
  get interfaces(): Interfaces {
    if (this.zebra !== undefined) return this.zebra.interfaces;
    this.#interfaces ??= Interfaces.ofSystem();
    return this.#interfaces;
  }

  /** Milliseconds since the epoch. */
  wallMs(): number {
    return (this.environment.wallMs ?? Date.now)();
  }

  log(text: string): void {
    this.environment.log?.(text);
  }

  /** The instance that commands without a VRF mean. Throws where there is none. */
  instance(name = 'default'): BgpInstance {
    const instance = this.instances.get(name);
    if (instance === undefined) throw new CommandError('% BGP instance not found');
    return instance;
  }

  openInstance(name: string, as: number): BgpInstance {
    let instance = this.instances.get(name);
    if (instance !== undefined && instance.as !== as) {
      throw new CommandError(`BGP is already running; AS is ${instance.as}`);
    }
    if (instance === undefined) {
      instance = new BgpInstance(this, name, as);
      this.instances.set(name, instance);
      this.changed();
    }
    return instance;
  }

  closeInstance(name: string): void {
    const instance = this.instances.get(name);
    this.instances.delete(name);
    instance?.close();
  }

  /** The router's own name, as configured: sessions that come up from now on announce it. */
  setHostname(name: string): void {
    this.hostname = name;
  }

  setNoRib(noRib: boolean): void {
    this.noRib = noRib;
    for (const instance of this.instances.values()) for (const family of instance.families) family.zebraChanged();
  }

  /** Settings or surroundings changed: compare and act, once, soon. */
  changed(): void {
    this.#interfaces = undefined;
    this.changedMs = this.loop.now();
    this.#reconcile.schedule();
  }

  /** Ends all sessions with a NOTIFICATION. What zebra has stays there: whether it outlives us is zebra's to know. */
  close(): void {
    this.zebra?.stop();
    for (const name of Array.from(this.instances.keys())) this.closeInstance(name);
  }

  /** An interface got this name, or had it before: policy may name it. */
  renamed(name: string): void {
    this.policy.touch('interface', name);
  }

  #policyChanged(): void {
    const changed = new Set(this.policy.changed);
    this.policy.changed.clear();
    for (const instance of this.instances.values()) instance.policyChanged(changed);
  }
}
