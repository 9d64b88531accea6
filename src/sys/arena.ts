// Memory whose address may be kept. `koffi.address(array)` does not keep the array alive: the collector may free a buffer
// whose last *JavaScript* use has passed while a msghdr or a pollfd table still points to it. What is allocated here lives
// as long as the thread, so the address stays good.
import { addressOf } from './libc.ts';

export interface ArenaBlock {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly address: bigint;
}

const blocks: ArenaBlock[] = [];

/** A zeroed block, 8-byte aligned, that is never freed. For the few buffers a thread sets up once. */
export function arena(size: number): ArenaBlock {
  if (!Number.isInteger(size) || size <= 0) throw new RangeError(`arena block of ${size} bytes`);
  const bytes = new Uint8Array(new ArrayBuffer(size));
  const block = { bytes, view: new DataView(bytes.buffer), address: addressOf(bytes) };
  blocks.push(block);
  return block;
}
