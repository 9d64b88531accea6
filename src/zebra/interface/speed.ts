// Speeds of links, which the kernel's notifications do not tell: each is asked for when the link comes, and again when it
// comes up or falls, because that is when a driver knows another one.
import type { Interface, Interfaces } from './interfaces.ts';

/** Reads the speed of an interface by name, in Mbit/s; must not throw for one that is gone. */
export type SpeedReader = (name: string) => Promise<number>;

/** Keeps `Interface.speed` true, as long as the interfaces live. */
export function readSpeeds(interfaces: Interfaces, read: SpeedReader): void {
  const known = new WeakMap<Interface, string>();
  interfaces.listen({
    link(one) {
      // By its name, too: one that is renamed while it is asked for is not found.
      const asked = `${one.operative} ${one.name}`;
      if (known.get(one) === asked) return;
      known.set(one, asked);
      void read(one.name).then(speed => interfaces.onSpeed(one, speed));
    },
  });
}
