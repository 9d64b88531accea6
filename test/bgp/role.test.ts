// Roles and ONLY_TO_CUSTOMER (RFC 9234): which neighbours may be together, and which routes may go where.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NexthopTable } from '../../src/bgp/rib/nexthops.ts';
import { AttributeStore, BgpTable, defaultDecisionOptions, PEER_EBGP, PEER_IBGP } from '../../src/bgp/rib/index.ts';
import { localOpen, negotiate } from '../../src/bgp/session/negotiate.ts';
import type { SessionConfig } from '../../src/bgp/session/types.ts';
import { ExportTransform } from '../../src/bgp/updategroup/transform.ts';
import { ACTION_OK, ACTION_WITHDRAW, attributeTypes, ATTR_OTC } from '../../src/bgp/wire/attribute.ts';
import { isPeerError } from '../../src/bgp/wire/notification.ts';
import { NO_ROLE, ROLES, type RoleName } from '../../src/bgp/wire/role.ts';
import { PLAIN_GROUP } from './lib/group-options.ts';

const session = (more: Partial<SessionConfig>): SessionConfig => ({
  localAs: 65001,
  remoteAs: 65002,
  routerId: 1,
  remote: { family: 2, words: [1, 0, 0, 0], port: 179, scopeId: 0 },
  families: [{ afi: 1, safi: 1 }],
  ...more,
});
const number = (role: RoleName): number => ROLES.indexOf(role);
const agree = (ours: Partial<SessionConfig>, theirs: readonly number[]): boolean => {
  const config = session(ours);
  const open = localOpen(session({ localAs: Number(config.remoteAs), routerId: 2 }));
  const capabilities = [...open.capabilities, ...theirs.map(role => ({ kind: 'role' as const, role }))];
  const result = negotiate(config, localOpen(config), { ...open, capabilities });
  if (isPeerError(result)) assert.deepEqual([result.code, result.subcode], [2, 11]);
  return !isPeerError(result);
};

void test('roles must be each other’s counterpart, and the same role said twice is one', () => {
  const pairs = new Set([
    'provider customer',
    'customer provider',
    'rs-server rs-client',
    'rs-client rs-server',
    'peer peer',
  ]);
  for (const strict of [false, true]) {
    for (const ours of ROLES) {
      const role = { number: number(ours), strict };
      for (const theirs of ROLES) {
        const fits = pairs.has(`${ours} ${theirs}`);
        assert.equal(agree({ role }, [number(theirs)]), fits, `${ours} with ${theirs}`);
        assert.equal(agree({ role }, [number(theirs), number(theirs)]), fits);
        for (const other of ROLES) {
          if (other !== theirs) assert.equal(agree({ role }, [number(theirs), number(other)]), false);
        }
        assert.equal(agree({}, [number(theirs)]), true, 'nobody here has a role');
        // Inside an AS roles mean nothing.
        assert.equal(agree({ role, remoteAs: 65001 }, [number(theirs)]), true);
      }
      assert.equal(agree({ role }, []), !strict);
      assert.equal(agree({ role }, [77]), false, 'a role that nobody knows');
    }
  }
});

void test('an OTC that is not one AS number takes its routes with it', () => {
  const type = attributeTypes[ATTR_OTC]!;
  const check = (...bytes: number[]): number =>
    type.check(Uint8Array.from(bytes), 0, bytes.length, { ebgp: true, as4: true });
  assert.equal(check(0, 0, 0xfd, 0xe9), ACTION_OK);
  for (const bad of [[], [0xfd, 0xe9], [0, 0, 0xfd, 0xe9, 0], [0, 0, 0, 0]])
    assert.equal(check(...bad), ACTION_WITHDRAW);
});

/** What becomes of a route of a neighbour towards whom we have `inward`, sent where we have `outward`: the OTC that the next
 *  one sees, or why there is none. */
function fate(
  inward: RoleName | undefined,
  otc: number | undefined,
  outward: RoleName | undefined,
  ibgp = false,
): unknown {
  const nexthops = new NexthopTable();
  nexthops.defaultReachable = true;
  const store = new AttributeStore(nexthops, 4);
  const table = new BgpTable({ family: 2, store, decision: defaultDecisionOptions(65000, 99) });
  const role = inward === undefined ? NO_ROLE : number(inward);
  const peer = table.addPeer({
    kind: ibgp ? PEER_IBGP : PEER_EBGP,
    as: 65001,
    routerId: 1,
    address: [1, 0, 0, 0],
    weight: 0,
    allowOwnAs: 0,
    role: ibgp ? NO_ROLE : role,
  });
  const set = store.encode({
    origin: 0,
    asPath: [{ type: 'sequence', as: [65001] }],
    nextHop: { family: 2, words: [0x0a000001, 0, 0, 0] },
    // Behind OTC in the order of codes.
    unknown: [{ flags: 0xc0, code: 99, value: Uint8Array.of(1) }],
    ...(otc !== undefined && { otc }),
  });
  table.announce(peer, 0x0a010000, 0, 0, 0, 16, set);
  store.release(set);
  table.decide();
  const prefix = table.prefixes.find(0x0a010000, 0, 0, 0, 16);
  const best = table.best[prefix]!;
  if (best === 0) return 'leak';
  const out = new ExportTransform(table, store, {
    ...PLAIN_GROUP,
    role: outward === undefined ? NO_ROLE : number(outward),
  }).apply(best, prefix);
  if (out === 0) return 'kept';
  const sent = store.decode(out);
  assert.equal(sent.unknown.length, 1);
  return sent.otc;
}

void test('what came down or across goes down only, and what went down and comes up is a leak', () => {
  // From below, unmarked: anywhere, marked by us where it goes down or across.
  assert.equal(fate('provider', undefined, 'customer'), undefined);
  assert.equal(fate('provider', undefined, 'rs-client'), undefined);
  assert.equal(fate('provider', undefined, 'provider'), 65000);
  assert.equal(fate('rs-server', undefined, 'rs-server'), 65000);
  assert.equal(fate('provider', undefined, 'peer'), 65000);
  // From above or across: marked for its sender, and never up or across again.
  for (const inward of ['customer', 'peer', 'rs-client'] as const) {
    for (const outward of ['customer', 'peer', 'rs-client'] as const) {
      assert.equal(fate(inward, undefined, outward), 'kept', `${inward} to ${outward}`);
    }
    assert.equal(fate(inward, undefined, 'provider'), 65001);
    assert.equal(fate(inward, undefined, 'rs-server'), 65001);
    assert.equal(fate(inward, undefined, undefined), 65001, 'and those without a role are told');
  }
  // Marked already: from below a leak; across where it is not the sender's own mark; from above it stays as it is.
  assert.equal(fate('provider', 65009, 'provider'), 'leak');
  assert.equal(fate('rs-server', 65001, 'rs-server'), 'leak');
  assert.equal(fate('peer', 65009, 'provider'), 'leak');
  assert.equal(fate('peer', 65001, 'provider'), 65001);
  assert.equal(fate('customer', 65009, 'provider'), 65009);
  assert.equal(fate('rs-client', 65009, 'rs-server'), 65009);
  // Without roles it passes, as inside the AS, and is kept where we go up.
  assert.equal(fate(undefined, 65009, undefined), 65009);
  assert.equal(fate(undefined, 65009, undefined, true), 65009);
  assert.equal(fate(undefined, 65009, 'customer', true), 'kept');
  assert.equal(fate(undefined, undefined, 'provider', true), 65000);
});
