// Those who follow an instance's table with work of their own: a bit per prefix waits, and what changes ten times by then is looked at
// once, in slices of the loop.
import type { WorkTask } from '../../concurrency/index.ts';
import { grown } from '../../net/index.ts';
import type { FamilyInstance } from '../family.ts';
import { DirtySet, PATH_REMOVED, type TableConsumer } from '../rib/index.ts';

/** Prefixes between two looks at the clock. */
const BATCH = 256;

export abstract class TableFollower implements TableConsumer {
  readonly dirty: DirtySet = new DirtySet();
  /** Whose table it is. */
  readonly family: FamilyInstance;
  readonly everyPath: boolean;
  closed = false;
  readonly #work: WorkTask;

  /** `name` is the task's. A subclass calls `follow` when it is ready. */
  constructor(family: FamilyInstance, name: string, everyPath = false) {
    this.family = family;
    this.everyPath = everyPath;
    this.#work = family.instance.bgp.loop.work(name, () => this.run());
  }

  /** From now on it is told; first of all that there is. */
  protected follow(): void {
    this.family.table.attach(this);
    this.#work.wake();
  }

  /** A prefix of `dirty`, which is not in it any more. */
  protected abstract look(prefix: number): void;

  /** Nothing is dirty. */
  protected looked(): void {}

  holds(prefix: number): boolean {
    return this.dirty.has(prefix);
  }

  holdsPath(_path: number): boolean {
    return false;
  }

  wake(): void {
    this.#work.wake();
  }

  sweep(): number {
    return 0;
  }

  /** One slice. True: there is more. */
  protected run(): boolean {
    if (this.closed) return false;
    const { table, instance } = this.family;
    table.decide();
    do {
      for (let i = 0; i < BATCH; i++) {
        const prefix = this.dirty.take();
        if (prefix < 0) {
          this.looked();
          return false;
        }
        this.look(prefix);
        table.releasePrefix(prefix);
      }
    } while (!instance.bgp.loop.shouldYield());
    return true;
  }

  close(): void {
    this.closed = true;
    this.family.table.detach(this);
    this.family.table.releaseAll(this.dirty);
  }
}

/** One that looks at every path, and has a mark on those that it made something of. A row with a mark is given to no other path. */
export abstract class PathFollower extends TableFollower {
  /** By path; 0: nothing. */
  #marks: Uint32Array = new Uint32Array(0);

  constructor(family: FamilyInstance, name: string) {
    super(family, name, true);
  }

  /** Takes a path as it is now; `gone`: there was one. Returns its new mark. */
  protected abstract lookAt(prefix: number, path: number, gone: boolean, mark: number): number;

  protected look(prefix: number): void {
    const { table } = this.family;
    if (table.pathPrefix.length > this.#marks.length) [this.#marks] = grown(table.pathPrefix.length, this.#marks);
    for (let path = table.first[prefix]!; path !== 0; ) {
      const next = table.pathNext[path]!; // the row may go
      const gone = (table.pathFlags[path]! & PATH_REMOVED) !== 0;
      this.#marks[path] = this.lookAt(prefix, path, gone, this.#marks[path]!);
      if (gone) table.releasePath(path);
      path = next;
    }
  }

  override holdsPath(path: number): boolean {
    return path < this.#marks.length && this.#marks[path] !== 0;
  }

  override close(): void {
    this.#marks.fill(0);
    super.close();
  }
}
