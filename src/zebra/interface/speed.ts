// Speeds of links, which the kernel's notifications do not tell: each is asked for when the link comes, and again when it
// comes up or falls, because that is when a driver knows another one.
import type { Interface, Interfaces } from './interfaces.ts';

/** Reads the speed of an interface by name, in Mbit/s; must not throw for one that is gone. */
export type SpeedReader = (name: string) => Promise<number>;

/** Keeps `Interface.speed` true, as long as the interfaces live. */
export function readSpeeds(interfaces: Interfaces, read: SpeedReader): void {
  const known = new WeakMap<Interface, boolean>();
  interfaces.listen({
    link(one) {
      if (known.get(one) === one.operative) return;
      known.set(one, one.operative);
      void read(one.name).then(speed => interfaces.onSpeed(one, speed));
    },
  });
}
