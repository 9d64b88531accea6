// Whom what comes in unasked is for: redirects of an outer port or protocol, by its mapping, and of whole outer addresses. Of several for the
// same, the newest that lets the remote end in has it. Behind one there may be several servers, which take turns (RFC 2391 §3.1).
import type { NatRedirect } from './nat-options.ts';

export interface NatRule {
  readonly id: number;
  readonly redirect: NatRedirect;
  /** Addresses as signed words, those that the redirect leaves out filled in. */
  readonly alias: number;
  readonly local: number;
  /** -1: a whole address. */
  readonly mapping: number;
  /** Whose turn it is. */
  turn: number;
}

export class NatRedirects {
  readonly #rules: Map<number, NatRule> = new Map();
  // Newest first.
  readonly #atMapping: Map<number, NatRule[]> = new Map();
  readonly #atAddress: Map<number, NatRule[]> = new Map();
  /** Made anew when it is asked for after a change. */
  #aliasOf: Map<number, number> | undefined;
  /** Who was chosen last, and whether another may be the next time. */
  address = 0;
  port = 0;
  shared = false;

  get(id: number): NatRule | undefined {
    return this.#rules.get(id);
  }

  /** The oldest first. */
  all(): NatRule[] {
    return [...this.#rules.values()].sort((a, b) => a.id - b.id);
  }

  /** Adds it, or puts it in the place of the one of its id. */
  set(rule: NatRule): void {
    this.delete(rule.id);
    this.#rules.set(rule.id, rule);
    const [rules, at] = this.#place(rule);
    const known = rules.get(at) ?? [];
    const older = known.findIndex(({ id }) => id < rule.id);
    known.splice(older < 0 ? known.length : older, 0, rule);
    rules.set(at, known);
  }

  delete(id: number): void {
    const rule = this.#rules.get(id);
    if (rule === undefined) return;
    this.#rules.delete(id);
    const [rules, at] = this.#place(rule);
    const known = rules.get(at)!;
    known.splice(known.indexOf(rule), 1);
    if (known.length === 0) rules.delete(at);
  }

  newestAt(mapping: number): NatRule | undefined {
    return this.#atMapping.get(mapping)?.[0];
  }

  /** Whether the whole address is redirected. */
  isAlias(address: number): boolean {
    return this.#atAddress.size > 0 && this.#atAddress.has(address);
  }

  /** The outer address that one inside has for itself. */
  aliasOf(inner: number): number | undefined {
    if (this.#atAddress.size === 0) return undefined;
    this.#aliasOf ??= this.#aliases();
    return this.#aliasOf.get(inner);
  }

  /** Says in `address` and `port` who behind a mapping takes this remote end; false where nobody does. */
  chooseAt(mapping: number, remote: number, remotePort: number): boolean {
    return this.#choose(this.#atMapping.get(mapping), remote, remotePort);
  }

  /** The same for what comes to `port` of a whole address. */
  chooseFor(alias: number, port: number): boolean {
    if (!this.#choose(this.#atAddress.get(alias), 0, 0)) return false;
    this.port = port;
    return true;
  }

  #choose(rules: readonly NatRule[] | undefined, remote: number, remotePort: number): boolean {
    if (rules === undefined) return false;
    for (const rule of rules) {
      const { remoteAddress, remotePort: onlyPort, localPort, servers } = rule.redirect;
      if ((remoteAddress !== 0 && (remoteAddress | 0) !== remote) || (onlyPort !== 0 && onlyPort !== remotePort))
        continue;
      this.shared = servers.length > 0;
      if (this.shared) {
        const { address, port } = servers[rule.turn % servers.length]!;
        rule.turn = (rule.turn + 1) % servers.length;
        this.address = address | 0;
        this.port = port;
      } else {
        this.address = rule.local;
        this.port = localPort;
      }
      return true;
    }
    return false;
  }

  #place(rule: NatRule): [Map<number, NatRule[]>, number] {
    if (rule.mapping >= 0) return [this.#atMapping, rule.mapping];
    this.#aliasOf = undefined;
    return [this.#atAddress, rule.alias];
  }

  #aliases(): Map<number, number> {
    const aliases = new Map<number, number>();
    for (const { mapping, alias, local, redirect } of this.all()) {
      if (mapping >= 0) continue;
      const own = redirect.servers.length > 0 ? redirect.servers.map(({ address }) => address | 0) : [local];
      for (const inner of own) aliases.set(inner, alias);
    }
    return aliases;
  }
}
