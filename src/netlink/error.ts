// What the kernel answers: NLMSG_ERROR with an errno and, with NETLINK_EXT_ACK, a sentence that says why.
import { SysError } from '../sys/index.ts';
import { HEADER_BYTES } from './buffer.ts';
import { NLM_F_ACK_TLVS, NLM_F_CAPPED } from './constants.ts';

const NLMSGERR_ATTR_MSG = 1;
const NLMSGERR_ATTR_OFFS = 2;

/** A request that the kernel refused. */
export class NetlinkError extends SysError {
  override readonly name: string = 'NetlinkError';
  /** The kernel's own words (extended ACK), or ''. */
  readonly reason: string;
  /** Offset in the request of the attribute at fault, or -1. */
  readonly attributeOffset: number;

  constructor(what: string, errno: number, reason = '', attributeOffset = -1) {
    super(what, errno, reason === '' ? undefined : reason);
    this.reason = reason;
    this.attributeOffset = attributeOffset;
  }
}

export interface ExtendedAck {
  readonly reason: string;
  readonly attributeOffset: number;
}

/** The extended ACK of the NLMSG_ERROR (or NLMSG_DONE) message of `length` bytes at `offset`. */
export function readExtendedAck(bytes: Uint8Array, offset: number, length: number): ExtendedAck {
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, length);
  const flags = view.getUint16(6, true);
  let reason = '';
  let attributeOffset = -1;
  if ((flags & NLM_F_ACK_TLVS) !== 0 && length >= HEADER_BYTES + 4) {
    // The refused message is quoted in full unless the answer is capped.
    let at = HEADER_BYTES + 4;
    if (length >= at + HEADER_BYTES) {
      at += (flags & NLM_F_CAPPED) === 0 ? (view.getUint32(at, true) + 3) & ~3 : HEADER_BYTES;
    }
    while (at + 4 <= length) {
      const size = view.getUint16(at, true);
      if (size < 4 || at + size > length) break;
      const type = view.getUint16(at + 2, true) & 0x3fff;
      if (type === NLMSGERR_ATTR_MSG) {
        reason = Buffer.from(bytes.buffer, bytes.byteOffset + offset + at + 4, size - 5).toString('latin1');
      } else if (type === NLMSGERR_ATTR_OFFS) attributeOffset = view.getUint32(at + 4, true);
      at += (size + 3) & ~3;
    }
  }
  return { reason, attributeOffset };
}
