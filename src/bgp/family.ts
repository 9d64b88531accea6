// One address family of an instance: its table, the routes that start here, the update groups, and zebra's announcer, each
// served by a named task in slices.
//
//   sessions ─ingest─▶ BgpTable ─▶ the instance's process queue
//                          ├────▶ groups   'bgp generate updates'
//                          └────▶ zebra    'bgp announce to zebra'
import type { TimerTask, WorkTask } from '../concurrency/index.ts';
import type { PrefixTable } from '../net/index.ts';
import { Aggregation } from './aggregation.ts';
import { DefaultOrigin } from './default-origin.ts';
import type { BgpInstance } from './instance.ts';
import { LocalRoutes } from './local-routes.ts';
import type { PeerFamily } from './peer-family.ts';
import { dependsOn, type PeerPolicy } from './peer-policy.ts';
import { BoundMap } from './policy/index.ts';
import { BgpTable, defaultDecisionOptions } from './rib/index.ts';
import type { Session } from './session/types.ts';
import { merged } from './settings.ts';
import { FAMILY, FAMILY_NAMES, type FamilyName } from './wire/family.ts';
import { type GroupMember, type GroupOptions, UpdateGroup } from './updategroup/index.ts';
import { encodeRouteRefresh, RefreshKind } from './wire/refresh.ts';
import { encodeWithdrawals, isEndOfRib, type PrefixWords } from './withdrawals.ts';
import { noVpn, type VpnSettings } from './vpn/settings.ts';
import { ZebraAnnouncer } from './zebra-announcer.ts';

/** Prefixes of a group between two looks at the clock: some milliseconds even before they are compiled. */
const GROUP_PREFIXES = 1_000;

export interface JoinRequest {
  /** Peers with equal keys share a group. */
  readonly key: string;
  readonly options: GroupOptions;
  readonly makePolicy: () => PeerPolicy | undefined;
  /** Minimum route advertisement interval. */
  readonly intervalMs: number;
  /** The default route that goes to it besides. */
  readonly defaultOrigin: DefaultOrigin | undefined;
  readonly target: Session;
}

/** A peer's place in a group. */
export interface Membership {
  readonly slot: GroupSlot;
  readonly member: GroupMember;
  /** The default route goes to it besides. */
  readonly originatesDefault: boolean;
  /** It was told of that one, and not told to forget it. */
  readonly knowsDefault: boolean;
  dependsOn(changed: ReadonlySet<string>): boolean;
  policyChanged(): void;
  /** Everything again; `asked`: by the peer. */
  refresh(asked: boolean): void;
  writable(): void;
  leave(): void;
}

/** A group with its policy and its task. */
export class GroupSlot {
  readonly id: number;
  readonly key: string;
  readonly group: UpdateGroup;
  readonly createdMs: number;
  readonly names: string[] = [];
  policy: PeerPolicy | undefined;
  readonly #makePolicy: () => PeerPolicy | undefined;
  readonly #family: FamilyInstance;
  readonly #work: WorkTask;
  readonly #patience: TimerTask;
  readonly #interval: TimerTask;
  readonly #intervalMs: number;
  /** What members that came from other groups were told there, by member. */
  readonly #known: Map<GroupMember, Remembered> = new Map();
  #closed = false;

  constructor(family: FamilyInstance, id: number, request: JoinRequest, table: BgpTable = family.table) {
    const { loop } = family.instance.bgp;
    this.#family = family;
    this.id = id;
    this.key = request.key;
    this.createdMs = family.instance.bgp.wallMs();
    this.#makePolicy = request.makePolicy;
    this.policy = request.makePolicy();
    this.group = new UpdateGroup(table, { ...request.options, policy: this.policy ?? request.options.policy });
    this.#work = loop.work('bgp generate updates', () => this.#run());
    this.#patience = loop.timer('bgp slow peer', () => this.#work.wake());
    this.#interval = loop.timer('bgp advertisement interval', () => this.#work.wake());
    this.#intervalMs = request.intervalMs;
    this.group.onWork = () => this.wake();
    this.group.onTimer = ms => this.#patience.start(ms);
  }

  wake(): void {
    if (!this.#interval.active) this.#work.wake();
  }

  /** A list or map changed inside: compile again and look at everything anew. */
  rebuild(): void {
    this.policy = this.#makePolicy();
    this.group.options.policy = this.policy;
    this.group.policyChanged();
  }

  /** `member` knows these prefixes from groups before; those that are not wanted here are withdrawn when that is known. */
  remember(member: GroupMember, remembered: Remembered): void {
    this.#known.set(member, remembered);
    this.wake();
  }

  /** Of what it knows from groups before, what may still have to be withdrawn. */
  remembered(member: GroupMember): readonly KnownPrefixes[] {
    return this.#known.get(member)?.known ?? [];
  }

  forget(member: GroupMember): void {
    this.#known.delete(member);
  }

  close(): void {
    this.#closed = true;
    this.#patience.stop();
    this.#interval.stop();
    this.group.close();
  }

  #run(): boolean {
    if (this.#closed) return false;
    const {
      loop,
      environment: { transport, random },
    } = this.#family.instance.bgp;
    const before = this.group.messages;
    let more: boolean;
    do {
      more = this.group.run(GROUP_PREFIXES, loop.now());
    } while (more && !loop.shouldYield());
    transport.flush(); // bgp-io sends these while the next ones are made
    if (!more && this.#known.size > 0) this.#withdrawKnown();
    // Only what was said makes the next wait, with the jitter of RFC 4271 §10.
    if (!more && this.#intervalMs > 0 && this.group.messages !== before) {
      this.#interval.start(Math.ceil(this.#intervalMs * (0.75 + 0.25 * random())));
    }
    return more;
  }

  /** Of members that were told of all that they are to have, and have room; the others are come back to. */
  #withdrawKnown(): void {
    const { table } = this.#family;
    for (const [member, { known, keepsDefault }] of this.#known) {
      if (!this.group.upToDate(member)) continue;
      while (known[0]?.withdraw(member, this.group, table, keepsDefault) === true) known.shift();
      if (known.length === 0) this.#known.delete(member);
    }
  }
}

interface Remembered {
  /** By group, the earliest first. */
  readonly known: KnownPrefixes[];
  /** Whether the default route is originated, whatever the group says. */
  readonly keepsDefault: () => boolean;
}

/** The identifier of the default route that we make, where members know paths by one: it is the only path of its table. */
const DEFAULT_PATH = 1;

/** Prefixes that a peer was told of in another group: copied, because their rows may be given to others. */
export class KnownPrefixes {
  readonly #words: readonly Uint32Array[];
  readonly #length: Uint8Array;
  readonly #id: Uint32Array;
  readonly #defaultId: number;
  #at = 0;

  constructor({ slot, member, knowsDefault }: Membership, prefixes: PrefixTable) {
    const known: number[] = [];
    const ids: number[] = [];
    const defaultId = slot.group.byPath ? DEFAULT_PATH : 0;
    for (const { prefix, id } of slot.group.knownTo(member)) {
      known.push(prefix);
      ids.push(id);
    }
    const bare = knowsDefault ? 1 : 0;
    const rows = known.length + bare; // the default route, as zeros, is the last row
    const columns = [prefixes.w0, prefixes.w1, prefixes.w2, prefixes.w3, prefixes.rd0, prefixes.rd1];
    this.#words = columns.map(from => {
      const column = new Uint32Array(rows);
      if (from.length > 0) for (let row = 0; row < known.length; row++) column[row] = from[known[row]!]!;
      return column;
    });
    this.#length = new Uint8Array(rows);
    for (let row = 0; row < known.length; row++) this.#length[row] = prefixes.length[known[row]!]!;
    this.#id = new Uint32Array(rows).fill(defaultId);
    this.#id.set(ids);
    this.#defaultId = defaultId;
  }

  /** Withdraws what the group does not want for the member; false: no room, go on later. */
  withdraw(
    member: GroupMember,
    group: UpdateGroup,
    { code, prefixes }: BgpTable,
    keepsDefault: () => boolean,
  ): boolean {
    const words = (i: number): PrefixWords =>
      [
        ...this.#words.slice(0, 4).map(word => word[i]!),
        this.#length[i]!,
        this.#words[4]![i]!,
        this.#words[5]![i]!,
      ] as unknown as PrefixWords;
    const size = group.options.maximumMessageBytes;
    while (this.#at < this.#length.length) {
      if (!member.hasRoom(size)) return false;
      const read = (i: number): PrefixWords | undefined => {
        const prefix = prefixes.find(...words(i));
        const told = prefix >= 0 && group.tells(member, prefix, this.#id[i]!);
        const made = this.#length[i] === 0 && this.#id[i] === this.#defaultId && keepsDefault();
        return told || made ? undefined : words(i);
      };
      const id = group.byPath ? (i: number): number => this.#id[i]! : undefined;
      const { message, next } = encodeWithdrawals(code, size, this.#at, this.#length.length, read, id);
      if (message !== undefined) member.send(message, 0, message.length);
      this.#at = next;
    }
    return true;
  }
}

export class FamilyInstance {
  readonly instance: BgpInstance;
  readonly afi: FamilyName;
  readonly table: BgpTable;
  readonly local: LocalRoutes;
  readonly aggregation: Aggregation;
  readonly announcer: ZebraAnnouncer;
  /** Which of its routes go to VPNs, and whose come in; of unicast families. */
  readonly vpn: VpnSettings = noVpn();
  readonly groups: Map<string, GroupSlot> = new Map();
  /** Of `default-originate`, by the name of the route map, '' for none. */
  readonly #defaultOrigins: Map<string, DefaultOrigin> = new Map();
  #nextGroup = 1;
  #decisionKey = '';
  #acceptanceKey = '';

  constructor(instance: BgpInstance, afi: FamilyName) {
    this.instance = instance;
    this.afi = afi;
    this.table = new BgpTable({
      family: FAMILY[afi].code,
      store: instance.store,
      decision: defaultDecisionOptions(instance.as, instance.options.routerId ?? 0),
      now: () => Math.floor(instance.bgp.wallMs() / 1000),
    });
    instance.queue.add(this.table);
    this.table.onPolicyApplied = index => {
      for (const peer of instance.peers.values()) {
        if (peer.families[afi].index === index) peer.limitChanged(peer.families[afi]);
      }
    };
    this.announcer = new ZebraAnnouncer(this);
    this.local = new LocalRoutes(this);
    this.aggregation = new Aggregation(this);
  }

  /** Packets are forwarded by its routes. */
  get unicast(): boolean {
    return this.afi === 'ipv4' || this.afi === 'ipv6';
  }

  /** Options of the instance that the decision looks at. */
  reconcile(): void {
    const { options, as, routerId, clusterId } = this.instance;
    const decision = {
      localAs: as,
      confederation: options.confederation ?? 0,
      routerId,
      clusterId,
      defaultLocalPref: options.defaultLocalPref,
      alwaysCompareMed: options.alwaysCompareMed,
      deterministicMed: options.deterministicMed || this.#sendsBestPerAs(),
      missingMedAsWorst: options.missingMedAsWorst,
      compareRouterId: options.compareRouterId,
      ignoreAsPathLength: options.ignoreAsPathLength,
      countConfederation: options.countConfederation,
      rejectAsSets: options.rejectAsSets,
      multipathRelax: options.multipathRelax,
      relaxPeerType: options.relaxPeerType,
    };
    const key = JSON.stringify(decision);
    if (key !== this.#decisionKey) {
      this.#decisionKey = key;
      Object.assign(this.table.decision, decision);
      this.table.redecideAll();
    }
    const acceptance = JSON.stringify([as, routerId, clusterId, options.confederation, options.rejectAsSets]);
    if (acceptance !== this.#acceptanceKey) this.table.acceptanceChanged();
    this.#acceptanceKey = acceptance;
    this.local.reconcile();
    this.aggregation.reconcile();
  }

  /** Which path is its AS's best must not hang on the order in which paths came: as in FRR, the knob is on then. */
  #sendsBestPerAs(): boolean {
    for (const { own, group } of this.instance.peers.values()) {
      for (const afi of FAMILY_NAMES) {
        if (merged(own.af[afi], group?.own.af[afi]).addPathTx === 'best-per-as') return true;
      }
    }
    return false;
  }

  setDistance(external: number, internal: number, local: number): void {
    this.announcer.distance = { external, internal, local };
    this.zebraChanged();
  }

  /** What zebra is to be told may differ for every prefix. */
  zebraChanged(): void {
    this.announcer.restart();
  }

  /** Puts a peer into the group for `request`; where it is in that group already, nothing happens. */
  join(one: PeerFamily, request: JoinRequest): Membership {
    const before = one.membership;
    if (before !== undefined && before.slot.key === request.key) return before;
    let slot = this.groups.get(request.key);
    if (slot === undefined) {
      slot = new GroupSlot(this, this.#nextGroup++, request);
      this.groups.set(request.key, slot);
    }
    const known = before && [...before.slot.remembered(before.member), new KnownPrefixes(before, this.table.prefixes)];
    const { target, defaultOrigin } = request;
    const { afi, safi } = FAMILY[this.afi];
    // First: what makes the default route ends with the last that it is for.
    const defaults = defaultOrigin && this.#joinDefaults(one, request, defaultOrigin);
    before?.leave();
    const member: GroupMember = {
      peer: one.index,
      family: one.peer.family,
      address: one.peer.words,
      hasRoom: bytes => target.hasRoom(bytes),
      send: (bytes, offset, length) => target.send(bytes, offset, length),
      markRefresh:
        target.negotiated?.enhancedRefresh === true
          ? kind => {
              const mark = encodeRouteRefresh({ afi, safi, kind: RefreshKind[kind] });
              target.send(mark, 0, mark.length);
            }
          : undefined,
      // Between the marks, or the peer takes it for gone.
      refreshBegins: () => defaults?.refresh(),
    };
    slot.group.join(member);
    if (known !== undefined) slot.remember(member, { known, keepsDefault: () => defaultOrigin?.present === true });
    const joined = slot;
    const membership: Membership = {
      slot: joined,
      member,
      get originatesDefault() {
        return defaultOrigin?.present === true;
      },
      get knowsDefault() {
        return defaults?.known === true;
      },
      dependsOn: changed => joined.policy !== undefined && dependsOn(joined.policy, changed),
      policyChanged: () => joined.rebuild(),
      refresh: asked => {
        joined.group.refresh(member, asked);
        if (!asked) defaults?.refresh();
      },
      writable: () => {
        joined.wake();
        defaults?.writable();
      },
      leave: () => {
        joined.forget(member);
        joined.group.leave(member);
        defaults?.leave();
        if (joined.group.memberCount > 0) return;
        this.groups.delete(joined.key);
        joined.close();
      },
    };
    return membership;
  }

  /** What makes the default route for neighbours with this route map. */
  defaultOrigin(map: string | undefined): DefaultOrigin {
    const name = map ?? '';
    let origin = this.#defaultOrigins.get(name);
    if (origin === undefined) this.#defaultOrigins.set(name, (origin = new DefaultOrigin(this, map)));
    return origin;
  }

  /** One that we make came or went: what is said of the default route in the table is to be looked at anew. */
  defaultChanged(): void {
    const prefix = this.table.prefixes.find(0, 0, 0, 0, 0);
    if (prefix < 0) return;
    for (const { group } of this.groups.values()) {
      group.dirty.add(prefix);
      group.wake();
    }
  }

  /** A map for all routes of the table, whosever they are; `peer`: what `match peer` compares with. */
  bindMap(name: string, peer: string): BoundMap {
    const { instance, table } = this;
    const { bgp, access: attributes } = instance;
    return new BoundMap(name, {
      ...instance.policyUse,
      names: bgp.policy,
      attributes,
      prefixes: table.prefixes,
      peer,
      peerAddress: undefined,
    });
  }

  policyChanged(changed: ReadonlySet<string>): void {
    this.local.policyChanged(changed);
    this.aggregation.policyChanged(changed);
    this.announcer.policyChanged(changed);
    for (const origin of this.#defaultOrigins.values()) origin.policyChanged(changed);
  }

  #joinDefaults(
    one: PeerFamily,
    request: JoinRequest,
    origin: DefaultOrigin,
  ): { readonly known: boolean; refresh(): void; writable(): void; leave(): void } {
    const { table, slots } = origin;
    let slot = slots.get(request.key);
    if (slot === undefined) {
      // No policy is asked, nor whether there is one (RFC 8212): as in FRR, the line says enough.
      const options = { ...request.options, policy: undefined };
      slot = new GroupSlot(this, 0, { ...request, options, makePolicy: () => undefined }, table);
      slots.set(request.key, slot);
    }
    const { target } = request;
    const member: GroupMember = {
      peer: one.index + 1, // 1 is the source's, in that table
      family: one.peer.family,
      address: one.peer.words,
      hasRoom: bytes => target.hasRoom(bytes),
      // The family's own group says when all routes were sent.
      send: (bytes, offset, length) => isEndOfRib(bytes, offset, length) || target.send(bytes, offset, length),
    };
    const joined = slot;
    joined.group.join(member);
    return {
      get known() {
        return joined.group.knownTo(member).next().done !== true;
      },
      // At once: it is one message, and has its place among others.
      refresh: () => {
        joined.group.refresh(member);
        joined.group.run(GROUP_PREFIXES, this.instance.bgp.loop.now());
      },
      writable: () => joined.wake(),
      leave: () => {
        joined.group.leave(member);
        if (joined.group.memberCount > 0) return;
        slots.delete(joined.key);
        joined.close();
        if (slots.size > 0) return;
        for (const [name, other] of this.#defaultOrigins) if (other === origin) this.#defaultOrigins.delete(name);
        origin.close();
      },
    };
  }

  close(): void {
    this.local.close();
    for (const origin of this.#defaultOrigins.values()) origin.close();
    this.#defaultOrigins.clear();
    this.announcer.close();
    for (const slot of this.groups.values()) slot.close();
    this.groups.clear();
  }
}
