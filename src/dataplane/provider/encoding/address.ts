// Interface addresses, and how interfaces forward.
import { rtnetlink as c, writeAddressMessage, writeNetconf } from '../../../netlink/index.ts';
import { CREATE, type Encode, few, type Pair, pair, type Told, toldAs, written } from './encoding.ts';

function message(type: number, flags: number): Encode {
  return written((pool, handle, writer, sequence) => {
    const { ifindex, family, local, peer, length, scope, label } = pool.address(handle);
    const told = { ifindex, family, local, peer, length, scope };
    writeAddressMessage(writer, type, flags, sequence, label === '' ? told : { ...told, label });
  });
}

export const address: Pair = pair(message(c.RTM_NEWADDR, CREATE), message(c.RTM_DELADDR, 0));

const encodeTold: Encode = written((pool, handle, writer, sequence) => {
  const { label, ...told } = pool.address(handle);
  writeAddressMessage(writer, c.RTM_NEWADDR, 0, sequence, label === '' ? told : { ...told, label });
});

export const told: Told = toldAs(c.RTM_NEWADDR, c.RTM_DELADDR, few, encodeTold);

const encodeNetconf: Encode = written((pool, handle, writer, sequence) => {
  writeNetconf(writer, c.RTM_NEWNETCONF, 0, sequence, pool.netconf(handle));
});

export const netconfTold: Told = toldAs(c.RTM_NEWNETCONF, c.RTM_DELNETCONF, few, encodeNetconf);
