// What set lines do to an AS path. Each is a function made when a map is bound; a route's edits name them in order.
import type { AsPathSegment } from '../rib/attribute-set.ts';

/** Changes a path that is the caller's own, or gives another. */
export type PathEdit = (path: AsPathSegment[]) => AsPathSegment[];

/** These ASes in front, the first one first. */
export function prependPath(as: readonly number[]): PathEdit {
  return path => {
    const first = path[0];
    if (first?.type === 'sequence') first.as.unshift(...as);
    else path.unshift({ type: 'sequence', as: [...as] });
    return path;
  };
}

/** The leftmost AS again, so often. An empty path stays empty. */
export function prependLast(count: number): PathEdit {
  return path => {
    const first = path[0]?.as[0];
    return first === undefined ? path : prependPath(new Array<number>(count).fill(first))(path);
  };
}

/** Without these ASes, wherever they stand. */
export function excludeFromPath(as: readonly number[]): PathEdit {
  return path =>
    path
      .map(segment => ({ type: segment.type, as: segment.as.filter(one => !as.includes(one)) }))
      .filter(segment => segment.as.length > 0);
}

/** `own` in the place of `as`, or of every AS. */
export function replaceInPath(as: number | 'any', own: number): PathEdit {
  return path =>
    path.map(segment => ({
      type: segment.type,
      as: segment.as.map(one => (as === 'any' || one === as ? own : one)),
    }));
}
