// Interface addresses, and how interfaces forward.
import { rtnetlink as c, writeAddressMessage, writeNetconf } from '../../../netlink/index.ts';
import { type Encode, few, type Pair, pair, type Told, toldAs, written } from './encoding.ts';

/** IFA_F_* that are set; the kernel finds the others out for itself. */
const SETTABLE: number =
  c.IFA_F_NODAD |
  c.IFA_F_OPTIMISTIC |
  c.IFA_F_HOMEADDRESS |
  c.IFA_F_MANAGETEMPADDR |
  c.IFA_F_NOPREFIXROUTE |
  c.IFA_F_MCAUTOJOIN;

function message(type: number, flags: number): Encode {
  return written((pool, handle, writer, sequence) => {
    const { ifindex, family, local, peer, length, scope, label, flags: all } = pool.address(handle);
    const told = { ifindex, family, local, peer, length, scope };
    const set = type === c.RTM_NEWADDR ? all & SETTABLE : 0;
    writeAddressMessage(writer, type, flags, sequence, {
      ...told,
      ...(set === 0 ? {} : { flags: set }),
      ...(label === '' ? {} : { label }),
    });
  });
}

/**
 * Not NLM_F_REPLACE: to "create or replace" the kernel does not say that the address was there, and what was there before us must
 * not go when an install is taken back. All that it would replace is how long the address lives.
 */
export const address: Pair = pair(message(c.RTM_NEWADDR, c.NLM_F_CREATE | c.NLM_F_EXCL), message(c.RTM_DELADDR, 0));

const encodeTold: Encode = written((pool, handle, writer, sequence) => {
  const { label, ...told } = pool.address(handle);
  writeAddressMessage(writer, c.RTM_NEWADDR, 0, sequence, label === '' ? told : { ...told, label });
});

export const told: Told = toldAs(c.RTM_NEWADDR, c.RTM_DELADDR, few, encodeTold);

const encodeNetconf: Encode = written((pool, handle, writer, sequence) => {
  writeNetconf(writer, c.RTM_NEWNETCONF, 0, sequence, pool.netconf(handle));
});

export const netconfTold: Told = toldAs(c.RTM_NEWNETCONF, c.RTM_DELNETCONF, few, encodeNetconf);
