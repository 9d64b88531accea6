// SRv6 locators over ZAPI. FRR 8.4.4's clients ask for one by its name and are answered with a chunk, all of it, at once or never; when
// one comes everybody is told, and asks again. Here a wish is kept, so that the chunk comes by itself too.
import { LOCATOR_USID, type LocatorChunk } from '../../zapi/index.ts';
import type { Owner } from '../face.ts';
import type { Locator, Locators } from '../srv6/locators.ts';
import type { Client, On } from './client.ts';

export function onLocators(on: On, client: Client, locators: Locators): void {
  on('SRV6_MANAGER_GET_LOCATOR_CHUNK', ({ name }) => locators.ask(name, client.ownerNumber()));
  on('SRV6_MANAGER_RELEASE_LOCATOR_CHUNK', ({ name }) => locators.release(name, client.ownerNumber()));
}

function chunkOf({ name, prefix, blockBits, nodeBits, functionBits, usid }: Locator): LocatorChunk {
  return { name, prefix, blockBits, nodeBits, functionBits, argumentBits: 0, flags: usid ? LOCATOR_USID : 0 };
}

interface Told extends Client {
  readonly greeted: boolean;
  readonly synchronous: boolean;
}

/** Tells clients what becomes of locators, until the result is called. */
export function tellLocators(
  locators: Locators,
  sessions: Iterable<Told>,
  owners: ReadonlyMap<Owner, Told>,
): () => void {
  return locators.listen({
    came({ name, prefix }) {
      for (const one of sessions)
        if (one.greeted && !one.synchronous) one.out.put('SRV6_LOCATOR_ADD', { name, prefix });
    },
    gone: ({ name, prefix }, owner) => owners.get(owner)?.out.put('SRV6_LOCATOR_DELETE', { name, prefix }),
    granted: (locator, owner) => owners.get(owner)?.out.put('SRV6_MANAGER_GET_LOCATOR_CHUNK', chunkOf(locator)),
  });
}
