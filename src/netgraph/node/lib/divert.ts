// Frames of an interface to the graph instead of to the host. A packet socket only ever gets a copy; what the host's stack then does with
// the frame itself is decided at the ingress hook, which lies behind the packet sockets (net/core/dev.c, __netif_receive_skb_core). So a
// chain stands there whose policy is to drop.
//
// The table has an owner, the netlink socket that made it (NFT_TABLE_F_OWNER, Linux 5.12): it goes with the socket, so however we
// end, the host hears its interface again.
import { MessageWriter, NESTED, NetlinkSocket, RECEIVE_EMPTY } from '../../../netlink/index.ts';
import { E, SysError } from '../../../sys/index.ts';

const NETLINK_NETFILTER = 12;
const NFPROTO_NETDEV = 5;
const NFT_SUBSYSTEM = 10;
const BATCH_BEGIN = 16;
const BATCH_END = 17;
const NEWTABLE = (NFT_SUBSYSTEM << 8) | 0;
const NEWCHAIN = (NFT_SUBSYSTEM << 8) | 3;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const NLM_F_CREATE = 0x400;
const NLMSG_ERROR = 2;

const TABLE_NAME = 1;
const TABLE_FLAGS = 2;
const TABLE_OWNER = 2;
const CHAIN_TABLE = 1;
const CHAIN_NAME = 3;
const CHAIN_HOOK = 4;
const CHAIN_POLICY = 5;
const CHAIN_TYPE = 7;
const HOOK_NUMBER = 1;
const HOOK_PRIORITY = 2;
const HOOK_DEVICE = 3;
const NF_NETDEV_INGRESS = 0;
const NF_DROP = 0;

export class Divert {
  readonly #socket: NetlinkSocket;

  /**
   * The host does not get what comes in by `ifname`, of this thread's network namespace, until `close`. `table` is a name that no other
   * table of netdev's has. Throws a SysError: EOPNOTSUPP or the like where the kernel has no nf_tables for devices.
   */
  constructor(ifname: string, table: string) {
    this.#socket = new NetlinkSocket({ protocol: NETLINK_NETFILTER });
    try {
      this.#drop(ifname, table);
    } catch (error) {
      this.#socket.close();
      throw error;
    }
  }

  close(): void {
    this.#socket.close();
  }

  #drop(ifname: string, table: string): void {
    const writer = new MessageWriter(1024);
    const text = (type: number, value: string): unknown =>
      writer.attribute(type, () => writer.raw(Buffer.from(`${value}\0`, 'latin1')));
    const number = (type: number, value: number): unknown =>
      writer.attribute(type, () => writer.raw(Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value)));
    // struct nfgenmsg: family, version, a number in network order.
    const message = (type: number, flags: number, family: number, resource: number, body: () => void): void => {
      const start = writer.begin(type, NLM_F_REQUEST | flags, type);
      writer.u8(family).u8(0).u8(0).u8(resource);
      body();
      writer.end(start);
    };
    const nothing = (): void => {};
    message(BATCH_BEGIN, 0, 0, NFT_SUBSYSTEM, nothing);
    message(NEWTABLE, NLM_F_CREATE | NLM_F_ACK, NFPROTO_NETDEV, 0, () => {
      text(TABLE_NAME, table);
      number(TABLE_FLAGS, TABLE_OWNER);
    });
    message(NEWCHAIN, NLM_F_CREATE | NLM_F_ACK, NFPROTO_NETDEV, 0, () => {
      text(CHAIN_TABLE, table);
      text(CHAIN_NAME, 'ingress');
      writer.attribute(CHAIN_HOOK | NESTED, () => {
        number(HOOK_NUMBER, NF_NETDEV_INGRESS);
        number(HOOK_PRIORITY, 0);
        text(HOOK_DEVICE, ifname);
      });
      number(CHAIN_POLICY, NF_DROP);
      text(CHAIN_TYPE, 'filter');
    });
    message(BATCH_END, 0, 0, NFT_SUBSYSTEM, nothing);
    const failed = this.#socket.send(writer.buffer.bytes, writer.at);
    if (failed !== 0) throw new SysError('nf_tables', failed, ifname);
    // Two answers; or none of its own and one for the whole, where the kernel has no such subsystem.
    for (let answers = 0; answers < 2; ) {
      const length = this.#socket.receiveWithin(2000);
      if (length <= RECEIVE_EMPTY) throw new SysError('nf_tables', E.ENOBUFS, ifname);
      const { view } = this.#socket;
      for (let at = 0; at + 20 <= length; at += (view.getUint32(at, true) + 3) & ~3) {
        if (view.getUint16(at + 4, true) !== NLMSG_ERROR) continue;
        const error = -view.getInt32(at + 16, true);
        if (error !== 0) throw new SysError('nf_tables', error, ifname);
        answers++;
      }
    }
  }
}
