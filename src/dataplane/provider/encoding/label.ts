// MPLS labels: what arrives with one is sent on by paths, with other labels or none.
import { encodeLabel, encodeLabelDelete, LABEL_BYTES, rtnetlink as c } from '../../../netlink/index.ts';
import {
  CREATE,
  CREATE_AND_SAY,
  type Encode,
  type Encoding,
  judgeDelete,
  judgeInstall,
  type Measure,
  type Told,
  toldAs,
  update as over,
} from './encoding.ts';
import { pathsBytes, pathsOf } from './path.ts';

const PATHS_HEADER_BYTES = 4;

const bytes: Measure = (pool, handle) => LABEL_BYTES + PATHS_HEADER_BYTES + pathsBytes(pool, handle);

function withPaths(flags: number): Encode {
  return (pool, handle, buffer, offset, sequence) => {
    const paths = pathsOf(pool, handle);
    if (paths.length === 0) return 0;
    return encodeLabel(buffer, offset, sequence, flags, pool.label(handle), pool.protocol(handle), paths);
  };
}

const encodeOver: Encode = withPaths(CREATE);

const encodeDelete: Encode = (pool, handle, buffer, offset, sequence) =>
  encodeLabelDelete(buffer, offset, sequence, 0, pool.label(handle));

export const install: Encoding = {
  bytes,
  encode: withPaths(CREATE_AND_SAY),
  judge: judgeInstall,
  undo: encodeDelete,
  overwrites: true,
};
export const update: Encoding = over(bytes, encodeOver);
export const remove: Encoding = { bytes: () => LABEL_BYTES, encode: encodeDelete, judge: judgeDelete };

export const told: Told = toldAs(c.RTM_NEWROUTE, c.RTM_DELROUTE, bytes, (pool, handle, buffer, offset, sequence) =>
  (pool.count(handle) === 0 ? encodeDelete : encodeOver)(pool, handle, buffer, offset, sequence),
);
