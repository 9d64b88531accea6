// What a clause remembers. An attribute set passes through a clause as an id, and a clause's conditions on attributes, and
// its changes, give the same for the same id each time. So a clause remembers, for the ids that it saw last, whether they
// matched and what came out, and a prefix with a set seen before costs the prefix conditions and one look into that memory:
//
//    id ──▶ row = id & mask:  │ id, serial │ verdict │ out id, serial │
//
// The memory holds no references: a serial that is no longer the id's tells that the set is another one. It is
// direct-mapped, and grows where sets push each other out.

const MEMORY_FIRST = 256;
const MEMORY_MOST = 65536;

export const UNKNOWN = 0;
export const MATCHES = 1;
export const DIFFERS = 2;

export class ClauseMemory {
  ids: Uint32Array = new Uint32Array(MEMORY_FIRST); // 0: the row is empty
  serials: Uint32Array = new Uint32Array(MEMORY_FIRST);
  verdicts: Uint8Array = new Uint8Array(MEMORY_FIRST);
  outs: Uint32Array = new Uint32Array(MEMORY_FIRST); // 0: not known
  outSerials: Uint32Array = new Uint32Array(MEMORY_FIRST);
  mask: number = MEMORY_FIRST - 1;
  misses = 0;

  /** The row of a set, emptied where it was another's. */
  row(id: number, serial: number): number {
    let row = id & this.mask;
    if (this.ids[row] === id && this.serials[row] === serial) return row;
    if (this.ids[row] !== 0 && ++this.misses > this.mask && this.mask < MEMORY_MOST - 1) {
      this.#grow();
      row = id & this.mask;
    }
    this.ids[row] = id;
    this.serials[row] = serial;
    this.verdicts[row] = UNKNOWN;
    this.outs[row] = 0;
    return row;
  }

  #grow(): void {
    const rows = (this.mask + 1) * 4;
    this.ids = new Uint32Array(rows);
    this.serials = new Uint32Array(rows);
    this.verdicts = new Uint8Array(rows);
    this.outs = new Uint32Array(rows);
    this.outSerials = new Uint32Array(rows);
    this.mask = rows - 1;
    this.misses = 0;
  }
}
