import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  bindPacketSocket,
  closeFd,
  E,
  FrameVector,
  inNetworkNamespace,
  interfaceIndex,
  libc,
  openPacketSocket,
  openPacketRing,
  type PacketRing,
  type PacketRingOptions,
  setMulticast,
  setPromiscuous,
  socketError,
  SysError,
} from '../../src/sys/index.ts';
import { Lab, type Namespace, quietNamespace } from '../lib/netns.ts';

const BROADCAST = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
/** An Ethernet frame of a type that nobody answers (IEEE 802, local experiments), with `mark` all over. */
function frame(mark: number, length = 60, to: readonly number[] = BROADCAST): Uint8Array {
  const bytes = new Uint8Array(Math.max(length, 14)).fill(mark);
  bytes.set([...to, 2, 0, 0, 0, 0, 1, 0x88, 0xb5]);
  return bytes.subarray(0, length);
}

/** What was sent may come a moment later, on another processor. */
function soon<T>(look: () => T | undefined | false, what: string): T {
  for (const end = performance.now() + 5000; performance.now() < end; ) {
    const seen = look();
    if (seen !== undefined && seen !== false) return seen;
  }
  return assert.fail(`${what} did not come`);
}
const arrive = (ring: PacketRing): void => assert.ok(soon(() => ring.next(), 'a frame'));

interface Counters {
  rx: { packets: number; bytes: number };
  tx: { packets: number; bytes: number };
}

for (const version of [2, 3] as const)
  describe(`packet rings, TPACKET_V${version}`, () => {
    const lab = new Lab();
    let left: Namespace;
    let right: Namespace;
    before(async () => {
      [left, right] = await Promise.all([quietNamespace(lab, 'left'), quietNamespace(lab, 'right')]);
      await lab.link(left, 'eth0', right, 'eth0');
    });
    after(() => lab.close());

    const ring = (side: Namespace, options: PacketRingOptions = {}): PacketRing =>
      inNetworkNamespace(side.path, () => openPacketRing('eth0', { version, ...options }));
    const plain = (side: Namespace): number =>
      inNetworkNamespace(side.path, () => {
        const fd = openPacketSocket();
        bindPacketSocket(fd, interfaceIndex('eth0'), true);
        return fd;
      });
    const counters = async (side: Namespace): Promise<Counters> =>
      (await side.ipJson<{ stats64: Counters }[]>('-s', 'link', 'show', 'eth0'))[0]!.stats64;
    const put = (to: PacketRing, bytes: Uint8Array): boolean => {
      const at = to.reserve(bytes.length);
      if (at < 0) return false;
      to.bytes.set(bytes, at);
      to.commit();
      return true;
    };
    const current = (from: PacketRing): Uint8Array => from.bytes.slice(from.offset, from.offset + from.length);
    const arrivePlain = (fd: number): Uint8Array => soon(() => receivePlain(fd), 'a frame');
    const receivePlain = (fd: number): Uint8Array | undefined => {
      const into = new Uint8Array(4096);
      const length = libc.recv(fd, into, into.length, 0);
      return length < 0 ? undefined : into.slice(0, length);
    };

    /** Tests of one version. */
    const only =
      (which: 2 | 3) =>
      (name: string, fn: () => void): void => {
        if (version === which) test(name, fn);
      };
    const slots = only(2);
    const blocks = only(3);

    test('what is committed is sent by one kick, as it was written', async () => {
      const tx = ring(left, { receiveFrames: 0, transmitFrames: 8 });
      const fd = plain(right);
      const start = { left: await counters(left), right: await counters(right) };
      assert.equal(tx.kick(), 0, 'nothing to send');
      let bytes = 0;
      // Around the ring several times, so that every slot is used with every length.
      for (let round = 0, mark = 0; round < 7; round++) {
        const frames: Uint8Array[] = [];
        for (const length of [60, 64, 301, 1500, 1514]) frames.push(frame(++mark, length));
        for (const each of frames) assert.ok(put(tx, each));
        assert.equal(receivePlain(fd), undefined, 'not before the kick');
        assert.equal(tx.kick(), frames.length);
        for (const each of frames) {
          assert.deepEqual(arrivePlain(fd), each);
          bytes += each.length;
        }
      }
      assert.equal(tx.transmitted, 35);
      const end = { left: await counters(left), right: await counters(right) };
      assert.equal(end.left.tx.packets - start.left.tx.packets, 35);
      assert.equal(end.left.tx.bytes - start.left.tx.bytes, bytes);
      assert.equal(end.right.rx.packets - start.right.rx.packets, 35);
      tx.close();
      tx.close();
      assert.equal(tx.bytes.length, 0);
      assert.equal(tx.next(), false);
      closeFd(fd);
    });

    test('a ring that was closed with frames in it does nothing more', () => {
      const a = ring(left);
      const b = ring(right);
      assert.ok(put(a, frame(1)));
      a.kick();
      arrive(b);
      for (const each of [a, b]) {
        assert.ok(put(each, frame(2)));
        each.close();
        assert.equal(each.next(), false);
        each.release();
        assert.equal(each.kick(), 0);
        each.mtu = 1500;
        assert.equal(each.reserve(60), -1);
      }
    });

    test('what arrives is walked in its order, and slots are given back', async () => {
      const rx = ring(right, { receiveFrames: 8, transmitFrames: 0 });
      const fd = plain(left);
      const send = (bytes: Uint8Array): void => assert.equal(libc.send(fd, bytes, bytes.length, 0), bytes.length);
      assert.equal(rx.next(), false);
      const lengths = [60, 61, 700, 1514];
      for (let round = 0, mark = 0; round < 9; round++) {
        const frames = lengths.map(length => frame(++mark & 0xff, length));
        const before = Date.now() / 1000;
        for (const each of frames) send(each);
        for (const each of frames) {
          arrive(rx);
          assert.deepEqual(current(rx), each);
          assert.equal(rx.packetType, 1, 'broadcast');
          assert.equal(rx.vlanTci, -1);
          assert.equal(rx.checksumMissing, false);
          const at = rx.seconds + rx.nanoseconds / 1e9;
          assert.ok(Math.abs(at - before) < 60, `${at} is about ${before}`);
        }
        assert.equal(rx.next(), false);
        rx.release();
      }
      assert.equal(rx.received, 36);
      rx.close();
      closeFd(fd);
    });

    slots('a ring that is full loses what comes, and says how much', () => {
      const rx = ring(right, { receiveFrames: 8, transmitFrames: 0 });
      const fd = plain(left);
      const send = (bytes: Uint8Array): void => assert.equal(libc.send(fd, bytes, bytes.length, 0), bytes.length);
      // Full: the kernel loses what comes, and says how much; a walk does not go around.
      for (let i = 0; i < 11; i++) send(frame(i));
      for (let i = 0; i < 8; i++) {
        arrive(rx);
        assert.equal(current(rx)[20], i);
      }
      assert.equal(rx.next(), false);
      soon(() => rx.countLost() === 3, 'the count of what was lost');
      rx.release();
      send(frame(77));
      arrive(rx);
      assert.equal(current(rx)[20], 77);
      assert.equal(rx.countLost(), 3);
      rx.close();
      closeFd(fd);
    });

    test('both rings of one socket: it does not see its own', () => {
      const a = ring(left, { receiveFrames: 64, transmitFrames: 64 });
      const b = ring(right, { receiveFrames: 64, transmitFrames: 64 });
      const witness = ring(left, { outgoing: true, qdiscBypass: false });
      const sender = ring(left, { qdiscBypass: false });
      const rounds = version === 2 ? 1000 : 100;
      for (let i = 0; i < rounds; i++) {
        assert.ok(put(a, frame(i & 0xff)));
        assert.equal(a.kick(), 1);
        arrive(b);
        const at = b.reserve(b.length);
        b.bytes.copyWithin(at, b.offset, b.offset + b.length);
        b.commit();
        b.release();
        assert.equal(b.kick(), 1);
        arrive(a);
        assert.deepEqual(current(a), frame(i & 0xff));
        assert.equal(a.next(), false);
        a.release();
      }
      soon(() => {
        while (witness.next()) assert.equal(witness.packetType, 1);
        witness.release();
        return witness.received === rounds;
      }, 'what b has sent');
      assert.ok(put(sender, frame(5)));
      sender.kick();
      arrive(witness);
      assert.equal(witness.packetType, 4, 'outgoing');
      for (const each of [a, b, witness, sender]) each.close();
    });

    test('frames that can not be sent, a full ring, an interface that is down or gone: counted, nothing thrown', async () => {
      const tx = ring(left, { receiveFrames: 0, transmitFrames: 16 });
      const fd = plain(right);
      assert.equal(tx.reserve(1519), -1, 'longer than MTU, header and tag');
      assert.equal(tx.reserve(13), -1, 'shorter than a header');
      assert.equal(tx.refused, 2);

      for (let i = 0; i < 16; i++) assert.ok(put(tx, frame(i)));
      assert.equal(tx.reserve(60), -1);
      assert.equal(tx.full, 1);
      assert.equal(tx.kick(), 16);
      for (let i = 0; i < 16; i++) assert.equal(arrivePlain(fd)[20], i);

      // What only a tag may make so long; and what the kernel does not take: the others go, in their order.
      const spoilt = (length: number): void => {
        const at = tx.reserve(length);
        new DataView(tx.bytes.buffer).setUint16(at - 8, length + 1, true);
        tx.commit();
      };
      const tagged = frame(5, 1518);
      tagged.set([0x81, 0, 0, 5], 12);
      for (let round = 0; round < 5; round++) {
        put(tx, frame(1));
        spoilt(1514);
        put(tx, frame(0xbb, 1518));
        put(tx, frame(2, 900));
        spoilt(60);
        put(tx, frame(0xbb, 1515));
        spoilt(14);
        put(tx, frame(3));
        put(tx, tagged);
        put(tx, frame(4, 1514));
        spoilt(700);
        assert.equal(tx.kick(), 5);
        assert.equal(tx.error, E.EINVAL);
        for (const mark of [1, 2, 3, 5, 4]) assert.equal(arrivePlain(fd)[20], mark);
        assert.equal(receivePlain(fd), undefined);
      }
      assert.equal(tx.refused, 2 + 5 * 6);
      assert.equal(tx.transmitted, 16 + 5 * 5);
      tx.mtu = 1000;
      assert.equal(tx.reserve(1019), -1);
      put(tx, frame(6, 1015));
      put(tx, frame(7, 1014));
      assert.equal(tx.kick(), 1);
      assert.equal(arrivePlain(fd)[20], 7);
      tx.mtu = 1500;

      const rx = ring(left, { transmitFrames: 0 });
      await left.run('ip', 'link', 'set', 'eth0', 'down');
      for (let i = 0; i < 3; i++) assert.ok(put(tx, frame(i)));
      assert.equal(tx.kick(), 0);
      assert.equal(tx.error, E.ENETDOWN);
      assert.equal(tx.dropped, 3);
      assert.equal(rx.next(), false);
      assert.equal(socketError(rx.fd), E.ENETDOWN);
      await left.run('ip', 'link', 'set', 'eth0', 'up');
      // What was dropped is not sent later.
      assert.ok(put(tx, frame(9)));
      assert.equal(tx.kick(), 1);
      assert.equal(arrivePlain(fd)[20], 9);
      assert.equal(receivePlain(fd), undefined);
      const back = frame(10);
      libc.send(fd, back, back.length, 0);
      arrive(rx);
      assert.deepEqual(current(rx), back);

      await left.run('ip', 'link', 'add', 'gone', 'type', 'veth', 'peer', 'name', 'gone2');
      await left.run('ip', 'link', 'set', 'gone', 'up');
      const gone = inNetworkNamespace(left.path, () => openPacketRing('gone', { version }));
      await left.run('ip', 'link', 'del', 'gone');
      assert.ok(put(gone, frame(1)));
      assert.equal(gone.kick(), 0);
      assert.equal(gone.error, E.ENXIO);
      assert.equal(gone.dropped, 1);
      assert.equal(gone.next(), false);
      for (const each of [tx, rx, gone]) each.close();
      closeFd(fd);
    });

    test('tags that the kernel took out are told', () => {
      const rx = ring(right);
      const fd = plain(left);
      for (const [tpid, tci] of [
        [0x8100, 0x6fff],
        [0x88a8, 0x0001],
        [0x8100, 0],
      ] as const) {
        const inner = frame(3, 80);
        const tagged = Uint8Array.of(
          ...inner.subarray(0, 12),
          tpid >> 8,
          tpid & 255,
          tci >> 8,
          tci & 255,
          ...inner.subarray(12),
        );
        libc.send(fd, tagged, tagged.length, 0);
        arrive(rx);
        assert.equal(rx.vlanTci, tci);
        assert.equal(rx.vlanTpid, tpid);
        assert.deepEqual(current(rx), inner);
      }
      const untagged = frame(1);
      libc.send(fd, untagged, untagged.length, 0);
      arrive(rx);
      assert.equal(rx.vlanTci, -1);
      rx.close();
      closeFd(fd);
    });

    blocks(
      'a lone frame waits for its block, a full block for nothing; what was walked of one goes back with the rest',
      () => {
        const fd = plain(left);
        const send = (mark: number, length?: number): void => {
          const bytes = frame(mark, length);
          assert.equal(libc.send(fd, bytes, bytes.length, 0), bytes.length);
        };
        const timed = ring(right, { receiveFrames: 64, transmitFrames: 0, blockMs: 100 });
        send(1);
        arrive(timed);
        timed.release();
        // Its block was begun just now.
        const start = performance.now();
        send(2);
        arrive(timed);
        assert.ok(performance.now() - start > 50, 'it waited');
        timed.close();
        // Three of them fit into a block, and each fourth ends it. Nobody waits ten seconds.
        const rx = ring(right, { receiveFrames: 64, transmitFrames: 0, blockBytes: 4096, blockMs: 10_000 });
        let sent = 0;
        let seen = 0;
        for (let round = 0; round < 40; round++) {
          for (let i = 0; i < 30; i++) send(sent++ & 0xff, 1200);
          for (; seen < sent - 3; seen++) {
            arrive(rx);
            assert.deepEqual(current(rx), frame(seen & 0xff, 1200));
            if (seen % 5 === round % 5) rx.release();
          }
          assert.equal(rx.next(), false);
        }
        assert.equal(rx.countLost(), 0);
        // Full, and walked without giving anything back: the walk ends where it began.
        rx.release();
        for (let i = 0; i < 200; i++) send(sent++ & 0xff, 1200);
        const first = seen;
        while (rx.next()) assert.equal(current(rx)[20], seen++ & 0xff);
        assert.equal(seen - first, 96, '32 blocks of three');
        soon(() => rx.countLost() === sent - seen, 'the count of what was lost');
        rx.release();
        for (let i = 0; i < 4; i++) send(7, 1200);
        arrive(rx);
        assert.equal(current(rx)[20], 7);
        rx.close();
        closeFd(fd);
      },
    );

    blocks('a frame longer than a slot comes whole where there are no slots', () => {
      const rx = ring(right, { slotBytes: 512, receiveFrames: 128 });
      const fd = plain(left);
      for (const each of [frame(1), frame(2, 1514), frame(3)]) libc.send(fd, each, each.length, 0);
      for (const each of [frame(1), frame(2, 1514), frame(3)]) {
        arrive(rx);
        assert.deepEqual(current(rx), each);
      }
      assert.equal(rx.truncated, 0);
      rx.close();
      closeFd(fd);
    });

    slots('frames longer than a slot are passed over', () => {
      const rx = ring(right, { slotBytes: 512 });
      const fd = plain(left);
      for (const each of [frame(1), frame(2, 1000), frame(3, 434), frame(4, 435)]) libc.send(fd, each, each.length, 0);
      arrive(rx);
      assert.equal(rx.length, 60);
      arrive(rx);
      assert.deepEqual(current(rx), frame(3, 434));
      assert.equal(rx.next(), false);
      assert.equal(rx.truncated, 2);
      rx.close();
      closeFd(fd);
    });

    test('a group of rings shares flows: each frame is seen once, a flow by one ring', () => {
      const rings = [0, 1].map(() => ring(right, { fanout: { group: 7, mode: 'hash' }, transmitFrames: 0 }));
      const tx = ring(left, { receiveFrames: 0 });
      const seen: number[] = [];
      const ringOf = new Map<number, number>();
      for (let round = 0; round < 4; round++) {
        for (let flow = 0; flow < 32; flow++) {
          const bytes = new Uint8Array(60);
          // Ethernet, IPv4, UDP from a port a flow.
          bytes.set([
            ...BROADCAST,
            2,
            0,
            0,
            0,
            0,
            1,
            8,
            0,
            0x45,
            0,
            0,
            46,
            0,
            0,
            0,
            0,
            64,
            17,
            0,
            0,
            10,
            0,
            0,
            1,
            10,
            0,
            0,
            2,
          ]);
          bytes.set([0x20, flow, 0, 9, 0, 26, 0, 0, flow, round], 34);
          assert.ok(put(tx, bytes));
        }
        assert.equal(tx.kick(), 32);
        const look = (): boolean => {
          rings.forEach((each, which) => {
            while (each.next()) {
              const flow = each.bytes[each.offset + 42]!;
              assert.equal(ringOf.get(flow) ?? which, which, `flow ${flow}`);
              ringOf.set(flow, which);
              seen.push(flow * 4 + each.bytes[each.offset + 43]!);
            }
            each.release();
          });
          return seen.length >= 32 * (round + 1);
        };
        soon(look, 'all flows');
      }
      assert.deepEqual(
        seen.toSorted((a, b) => a - b),
        Array.from({ length: 128 }, (_, i) => i),
      );
      assert.equal(new Set(ringOf.values()).size, 2, 'both are used');
      for (const each of [...rings, tx]) each.close();
    });

    test('promiscuity and groups, as ip tells them', async () => {
      const rx = ring(right);
      const promiscuity = async (): Promise<unknown> => (await right.ipJson('link', 'show', 'eth0'))[0]!['promiscuity'];
      assert.equal(await promiscuity(), 0);
      setPromiscuous(rx.fd, rx.ifindex, true);
      assert.equal(await promiscuity(), 1);
      setPromiscuous(rx.fd, rx.ifindex, false);
      assert.equal(await promiscuity(), 0);
      const group = Uint8Array.of(0x01, 0, 0x5e, 1, 2, 3);
      const groups = async (): Promise<boolean> =>
        (await right.run('ip', 'maddr', 'show', 'eth0')).includes('01:00:5e:01:02:03');
      assert.equal(await groups(), false);
      setMulticast(rx.fd, rx.ifindex, group, true);
      assert.equal(await groups(), true);
      setPromiscuous(rx.fd, rx.ifindex, true);
      rx.close();
      assert.equal(await promiscuity(), 0, 'it ends with the socket');
      assert.equal(await groups(), false);
    });

    test('what the sender left to the hardware is told', async () => {
      const rx = ring(right);
      await left.run('ip', 'addr', 'add', '10.3.0.1/24', 'dev', 'eth0');
      await left.run('ip', 'neigh', 'add', '10.3.0.2', 'lladdr', 'ff:ff:ff:ff:ff:ff', 'dev', 'eth0');
      const send = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('10.3.0.2', 9))";
      await left.run('python3', '-c', send);
      arrive(rx);
      assert.equal(rx.bytes[rx.offset + 23], 17, 'UDP');
      assert.equal(rx.checksumMissing, true);
      rx.close();
    });

    test('sizes and names that can not be', () => {
      for (const options of [
        { slotBytes: 100 },
        { slotBytes: 3000 },
        { receiveFrames: 3 },
        { transmitFrames: -2 },
        { receiveFrames: 1.5 },
        ...(version === 2
          ? []
          : [{ blockBytes: 1024 }, { blockBytes: 12_288 }, { blockBytes: 2 ** 24 }, { blockMs: 0 }, { blockMs: 1.5 }]),
      ]) {
        assert.throws(() => ring(left, options), RangeError);
      }
      assert.throws(
        () => ring(left, { fanout: { group: 70_000, mode: 'hash' } }),
        new RangeError('fan-out group 70000'),
      );
      assert.throws(
        () => openPacketRing('nowhere', { version }),
        (error: unknown) => error instanceof SysError && error.code === 'ENODEV' && error.message.includes('nowhere'),
      );
      assert.throws(() => new FrameVector(new Uint8Array(4)).at(2, 3), new RangeError('3 bytes at 2 of a memory of 4'));
    });
  });
