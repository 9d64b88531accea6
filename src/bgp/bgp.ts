// The state of the bgp thread: policy, instances, and the way to zebra. Everything that configuration changes is level-triggered:
// a line changes a setting, and one coalesced event later the running state is compared with the settings and brought to
// them. So a whole file is applied as one change, and the order of its lines does not matter.
import type { EventTask, Loop, TimerTask } from '../concurrency/index.ts';
import { type CommandArgs, CommandError } from '../vty/index.ts';
import { type AddressWords, AF_INET, AF_INET6, type Family, formatAddress } from '../net/index.ts';
import { BgpInstance, type InstanceKind } from './instance.ts';
import { Interfaces } from './interfaces.ts';
import type { Connection } from './io/types.ts';
import { Listeners } from './listeners.ts';
import { PolicyLibrary } from './policy/index.ts';
import type { BgpEnvironment, Speaker } from './speaker.ts';
import { Vpn } from './vpn/vpn.ts';
import { Vrf, VRF_DEFAULT } from './vrf.ts';
import { ZebraLink } from './zclient.ts';

/** Changes of policy are gathered this long before the affected routes are evaluated anew. */
const POLICY_DELAY_MS = 20;

/** The instance that a configuration line's block belongs to. */
export function instanceOf(bgp: Bgp, context: readonly CommandArgs[]): BgpInstance {
  return bgp.instance(context[0]?.['name'] as string | undefined);
}

export class Bgp implements Speaker {
  readonly environment: BgpEnvironment;
  readonly loop: Loop;
  readonly policy: PolicyLibrary = new PolicyLibrary();
  /** By the name of their VRF or view; the default one is `default`. */
  readonly instances: Map<string, BgpInstance> = new Map();
  readonly zebra: ZebraLink | undefined;
  readonly vpn: Vpn;
  hostname: string;
  noRib = false;
  gracefulShutdown = false;
  inputQueueLimit = 0;
  outputQueueLimit = 0;
  /** When settings or surroundings changed last; of the loop's clock. */
  changedMs = 0;
  readonly #startedMs: number;
  readonly #listeners: Listeners;
  /** Of a speaker without zebra. */
  readonly #vrfs: Map<string, Vrf> = new Map();
  #interfaces: Interfaces | undefined;
  readonly #reconcile: EventTask;
  readonly #policyTimer: TimerTask;

  constructor(environment: BgpEnvironment) {
    this.environment = environment;
    this.loop = environment.loop;
    this.#startedMs = this.loop.now();
    this.hostname = environment.hostname ?? '';
    this.#listeners = new Listeners(this);
    this.#reconcile = this.loop.event('bgp configuration', () => {
      this.#listen();
      for (const instance of this.instances.values()) instance.reconcile();
      this.vpn.reconcile();
    });
    this.#policyTimer = this.loop.timer('bgp policy update', () => this.#policyChanged());
    this.policy.onChange = () => {
      if (!this.#policyTimer.active) this.#policyTimer.start(POLICY_DELAY_MS);
    };
    this.zebra = environment.zebra === undefined ? undefined : new ZebraLink(this, environment.zebra);
    this.vpn = new Vpn(this);
  }

  /** The system's, for a speaker without zebra: looked up once per round of configuration. */
  get interfaces(): Interfaces {
    this.#interfaces ??= Interfaces.ofSystem(this.environment.networkInterfaces);
    return this.#interfaces;
  }

  startedAgoMs(): number {
    return this.loop.now() - this.#startedMs;
  }

  /** Milliseconds since the epoch. */
  wallMs(): number {
    return (this.environment.wallMs ?? Date.now)();
  }

  log(text: string): void {
    this.environment.log?.(text);
  }

  /** The instance that commands without a VRF mean. Throws where there is none. */
  instance(name: string = VRF_DEFAULT): BgpInstance {
    const instance = this.instances.get(name);
    if (instance === undefined) throw new CommandError('% BGP instance not found');
    return instance;
  }

  openInstance(name: string, as: number, kind: InstanceKind = name === VRF_DEFAULT ? 'default' : 'vrf'): BgpInstance {
    let instance = this.instances.get(name);
    if (instance !== undefined && instance.as !== as) {
      throw new CommandError(`BGP is already running; AS is ${instance.as}`);
    }
    if (instance !== undefined && instance.kind !== kind) {
      throw new CommandError(`% BGP instance ${name} is ${instance.kind === 'view' ? 'a view' : 'of a VRF'}`);
    }
    if (instance === undefined) {
      const vrf = this.#vrf(kind === 'view' ? VRF_DEFAULT : name);
      instance = new BgpInstance(this, kind, name, as, vrf, this.#freeNumber());
      this.instances.set(name, instance);
      this.changed();
    }
    return instance;
  }

  #freeNumber(): number {
    let number = 1;
    while (this.numbered(number) !== undefined) number++;
    return number;
  }

  numbered(number: number): BgpInstance | undefined {
    for (const instance of this.instances.values()) if (instance.number === number) return instance;
    return undefined;
  }

  closeInstance(name: string, retain = false): void {
    const instance = this.instances.get(name);
    this.instances.delete(name);
    // First: its tables are still there for those that have routes of it.
    if (!retain) this.vpn.reconcile();
    this.#listen();
    instance?.close(retain);
  }

  #vrf(name: string): Vrf {
    if (this.zebra !== undefined) return this.zebra.vrf(name);
    let vrf = this.#vrfs.get(name);
    if (vrf === undefined) this.#vrfs.set(name, (vrf = new Vrf(name)));
    return vrf;
  }

  #in(vrf: Vrf): BgpInstance[] {
    return Array.from(this.instances.values()).filter(instance => instance.vrf === vrf);
  }

  #listen(): void {
    const ready = Array.from(this.instances.values()).filter(instance => instance.ready);
    this.#listeners.reconcile(ready.map(instance => instance.vrf));
  }

  listening(vrf: Vrf): void {
    for (const instance of this.#in(vrf)) instance.listening();
  }

  accepted(vrf: Vrf, connection: Connection): void {
    const { family, words } = plainAddress(connection.remote);
    let why = 'no BGP instance';
    for (const instance of this.#in(vrf)) {
      const refusal = instance.accept(connection, family, words);
      if (refusal === undefined) return;
      why = refusal;
    }
    this.log(`connection from ${formatAddress(family, words)} refused: ${why}`);
    connection.close();
  }

  setMd5Key(vrf: Vrf, family: Family, words: AddressWords, key: string, length?: number): void {
    this.#listeners.setMd5Key(vrf, family, words, key, length);
  }

  /** The router's own name, as configured: sessions that come up from now on announce it. */
  setHostname(name: string): void {
    this.hostname = name;
  }

  setNoRib(noRib: boolean): void {
    this.noRib = noRib;
    for (const instance of this.instances.values()) for (const family of instance.unicast) family.zebraChanged();
  }

  setGracefulShutdown(on: boolean): void {
    this.gracefulShutdown = on;
    this.changed();
  }

  setQueueLimit(queue: 'inputQueueLimit' | 'outputQueueLimit', messages: number): void {
    this[queue] = messages;
    this.changed();
  }

  /** Settings or surroundings changed: compare and act, once, soon. */
  changed(): void {
    this.#interfaces = undefined;
    this.changedMs = this.loop.now();
    this.#reconcile.schedule();
  }

  /**
   * Ends all sessions, with a NOTIFICATION unless routes outlive us (`retain`) and the neighbour knows that we come back. What
   * zebra has stays there: whether it outlives us is zebra's to know.
   */
  close(retain = false): void {
    this.zebra?.stop();
    // The default one last: the others' routes are in its tables.
    const names = Array.from(this.instances.keys()).filter(name => name !== VRF_DEFAULT);
    for (const name of [...names, VRF_DEFAULT]) this.closeInstance(name, retain);
  }

  /** An interface got this name, or had it before: policy may name it. */
  renamed(name: string): void {
    this.policy.touch('interface', name);
  }

  #policyChanged(): void {
    const changed = new Set(this.policy.changed);
    this.policy.changed.clear();
    for (const instance of this.instances.values()) instance.policyChanged(changed);
    this.vpn.policyChanged(changed);
  }
}

/** An IPv4 address that came in as an IPv4-mapped IPv6 one is an IPv4 address. */
function plainAddress({ family, words }: { family: Family; words: AddressWords }): {
  family: Family;
  words: AddressWords;
} {
  if (family === AF_INET6 && words[0] === 0 && words[1] === 0 && words[2] === 0xffff) {
    return { family: AF_INET, words: [words[3], 0, 0, 0] };
  }
  return { family, words };
}
