import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf, Interfaces } from '../../src/bgp/interfaces.ts';
import { AF_INET, AF_INET6, parseInterfaceAddress } from '../../src/net/index.ts';

test('ten thousand addresses of an interface come and go', () => {
  const all = new Interfaces();
  const one = all.set(2, 'eth0', true);
  const addresses = Array.from({ length: 10_000 }, (_, i) => parseInterfaceAddress(`10.${i >> 8}.${i & 255}.1/24`)!);
  for (const address of addresses) one.addresses.add(address);
  for (const address of addresses) one.addresses.add(address);
  assert.equal([...one.addresses].length, 10_000);
  assert.equal(all.owner(AF_INET, addresses[9999]!.words), one);
  assert.equal(all.connected(AF_INET, parseInterfaceAddress('10.1.2.9/32')!.words)?.on, one);
  for (const address of addresses) one.addresses.delete(address);
  assert.equal(all.owner(AF_INET, addresses[9999]!.words), undefined);
});

test('an address of each family and scope is found', () => {
  const one = new Interfaces().set(2, 'eth0', true);
  for (const text of ['fe80::1/64', '2001:db8::1/64', '192.0.2.1/24']) one.addresses.add(parseInterfaceAddress(text)!);
  assert.equal(addressOf(one, AF_INET)?.[0], 0xc000_0201);
  assert.equal(addressOf(one, AF_INET6)?.[0], 0x2001_0db8);
  assert.equal(addressOf(one, AF_INET6, true)?.[0], 0xfe80_0000);
  one.addresses.delete(parseInterfaceAddress('2001:db8::1/64')!);
  assert.equal(addressOf(one, AF_INET6), undefined);
});

test('an address that nobody else can reach is not a source for sessions', () => {
  const lo = new Interfaces().set(1, 'lo', true);
  for (const text of ['127.0.0.1/8', '::1/128', '192.0.2.7/32', '2001:db8::7/128']) {
    lo.addresses.add(parseInterfaceAddress(text)!);
  }
  assert.equal(addressOf(lo, AF_INET)?.[0], 0xc000_0207);
  assert.equal(addressOf(lo, AF_INET6)?.[3], 7);
});
