// What is in a directory of named network namespaces (`ip netns add NAME` puts a file into /run/netns and mounts the namespace over
// it), and when that changes. The directory itself comes with the first of them.
import { type FSWatcher, readdirSync, statfsSync, statSync, watch } from 'node:fs';
import { dirname } from 'node:path';

/** statfs(2)'s word for what namespaces are files of. */
const NSFS_MAGIC = 0x6e736673;

/** What is at a path: a namespace's number, which no other has as long as it lives; a file that is none (yet); or nothing. */
export function namespaceAt(path: string): number | 'other' | undefined {
  try {
    return statfsSync(path).type === NSFS_MAGIC ? statSync(path).ino : 'other';
  } catch {
    return undefined;
  }
}

export class NamespaceDirectory {
  readonly path: string;
  readonly #changed: () => void;
  #watch: FSWatcher | undefined;
  #watched = '';

  /** `changed`: something may be otherwise. The kernel does not tell when a namespace is mounted over its file. */
  constructor(path: string, changed: () => void) {
    this.path = path;
    this.#changed = changed;
  }

  /** Names of its files, in order. */
  names(): string[] {
    try {
      return readdirSync(this.path).toSorted();
    } catch {
      return [];
    }
  }

  /** Sees to it that changes are heard of: of the directory, or of its coming. */
  follow(): void {
    const wanted = statSync(this.path, { throwIfNoEntry: false }) === undefined ? dirname(this.path) : this.path;
    if (wanted === this.#watched) return;
    this.close();
    try {
      this.#watch = watch(wanted, { persistent: false }, () => this.#changed());
      this.#watch.on('error', () => this.close());
      this.#watched = wanted;
    } catch {
      // Too many watches, or no such directory: whoever asks now and then does without.
    }
  }

  close(): void {
    this.#watch?.close();
    this.#watch = undefined;
    this.#watched = '';
  }
}
