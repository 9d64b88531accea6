import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import {
  acceptSocket,
  bindName,
  closeFd,
  connectName,
  decodeSocketAddress,
  decodeUnixAddress,
  E,
  encodeSocketAddress,
  encodeUnixAddress,
  getOptionBytes,
  linux,
  listenSocket,
  localName,
  openSocket,
  peerName,
  setOptionBytes,
  SocketPort,
  socketError,
} from '../../src/sys/index.ts';
import { Lab } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';

const memory = new Uint8Array(new SharedArrayBuffer(1 << 16));
const any4 = encodeSocketAddress({ family: linux.AF_INET, words: [0x7f000001, 0, 0, 0], port: 0, scopeId: 0 });
const any6 = encodeSocketAddress({ family: linux.AF_INET6, words: [0, 0, 0, 1], port: 0, scopeId: 0 });

describe('a socket as a port', () => {
  const lab = new Lab();
  after(() => lab.close());

  for (const [what, any] of [
    ['inet', any4],
    ['inet6', any6],
  ] as const) {
    const family = any[0]!;
    test(`${what}/dgram: with addresses, and connected`, () => {
      const server = openSocket(family, linux.SOCK_DGRAM, 0);
      const client = openSocket(family, linux.SOCK_DGRAM, 0);
      bindName(server, any);
      const name = localName(server);
      const a = new SocketPort(server, memory);
      const b = new SocketPort(client, memory);
      assert.equal(a.receive(0, 100), -1);
      assert.equal(a.error, 0, 'nothing waits');

      assert.equal(b.send(0, 4, 0), -1, 'to nobody');
      assert.equal(b.error, E.EDESTADDRREQ);
      b.to.set(name);
      memory.set([1, 2, 3, 4], 300);
      assert.equal(b.send(300, 4, name.length), 4);
      assert.equal(a.receive(1000, 100), 4);
      assert.deepEqual([...memory.subarray(1000, 1005)], [1, 2, 3, 4, 0]);
      assert.equal(a.truncated, false);
      assert.deepEqual(
        decodeSocketAddress(a.from.subarray(0, a.fromLength))!.port,
        decodeSocketAddress(localName(client))!.port,
      );

      // The answer goes to who asked.
      a.to.set(a.from);
      assert.equal(a.send(1000, 3, a.fromLength), 3);
      assert.equal(b.receive(2000, 2), 2);
      assert.equal(b.truncated, true);
      assert.equal(a.send(0, 0, a.fromLength), 0, 'an empty datagram');
      assert.equal(b.receive(2000, 2), 0);

      assert.equal(peerName(client), undefined);
      assert.equal(connectName(client, name), true);
      assert.deepEqual(peerName(client), name);
      assert.equal(b.send(300, 4, 0), 4);
      assert.equal(a.receive(1000, 100), 4);
      closeFd(server);
      assert.equal(b.send(300, 4, 0), 4);
      assert.equal(b.receive(0, 10), -1);
      assert.equal(b.error, E.ECONNREFUSED);
      assert.equal(b.receive(0, 10), -1);
      assert.equal(b.error, 0, 'said once');
      closeFd(client);
    });

    test(`${what}/stream: connect, accept, end`, async () => {
      const server = openSocket(family, linux.SOCK_STREAM, linux.IPPROTO_TCP);
      bindName(server, any);
      listenSocket(server);
      const client = openSocket(family, linux.SOCK_STREAM, 0);
      connectName(client, localName(server));
      const accepted = await until(() => acceptSocket(server), { what: 'a connection', everyMs: 1 });
      assert.equal(socketError(client), 0);
      const a = new SocketPort(accepted.fd, memory);
      const b = new SocketPort(client, memory);
      // All that the kernel takes.
      let sent = 0;
      for (let taken = b.send(0, 60_000, 0); taken >= 0; taken = b.send(0, 60_000, 0)) sent += taken;
      assert.equal(b.error, 0, 'no room');
      let got = 0;
      await until(
        () => {
          const count = a.receive(0, 60_000);
          if (count > 0) got += count;
          return got === sent;
        },
        { what: 'all bytes', everyMs: 0 },
      );
      closeFd(client);
      await until(() => a.receive(0, 1) === 0, { what: 'the end of the stream', everyMs: 1 });
      assert.equal(a.fromLength, 0);
      for (const fd of [server, accepted.fd]) closeFd(fd);
    });
  }

  test('local/dgram: names of paths', async () => {
    const directory = await lab.directory();
    const paths = [join(directory, 'a'), join(directory, 'b')];
    const fds = paths.map(path => {
      const fd = openSocket(linux.AF_UNIX, linux.SOCK_DGRAM, 0);
      bindName(fd, encodeUnixAddress(path));
      return fd;
    });
    const ports = fds.map(fd => new SocketPort(fd, memory));
    const [a, b] = ports as [SocketPort, SocketPort];
    const name = encodeUnixAddress(paths[1]!);
    a.to.set(name);
    assert.equal(a.send(0, 9, name.length), 9);
    assert.equal(b.receive(100, 100), 9);
    assert.equal(decodeUnixAddress(b.from.subarray(0, b.fromLength)), paths[0]);
    assert.equal(decodeUnixAddress(localName(fds[1]!)), paths[1]);
    for (const fd of fds) closeFd(fd);
  });

  test('names of local sockets', () => {
    assert.equal(decodeUnixAddress(encodeUnixAddress('/run/a b')), '/run/a b');
    assert.equal(decodeUnixAddress(Uint8Array.of(1, 0)), '');
    assert.equal(decodeUnixAddress(Uint8Array.of(1, 0, 0, 97, 98)), '\0ab');
    assert.equal(decodeUnixAddress(any4), undefined);
    assert.equal(decodeUnixAddress(Uint8Array.of(1)), undefined);
  });

  test('inet/raw: what is sent to ourselves', () => {
    const fd = openSocket(linux.AF_INET, linux.SOCK_RAW, 253); // RFC 3692 §2.1: for experiments
    const port = new SocketPort(fd, memory);
    port.to.set(any4);
    memory.set([9, 8, 7], 0);
    assert.equal(port.send(0, 3, any4.length), 3);
    assert.equal(port.receive(500, 100), 23, 'with its IPv4 header');
    assert.deepEqual([memory[509], ...memory.subarray(520, 523)], [253, 9, 8, 7]);
    closeFd(fd);
  });

  test('options as bytes', () => {
    const fd = openSocket(linux.AF_INET, linux.SOCK_DGRAM, 0);
    setOptionBytes(fd, linux.IPPROTO_IP, linux.IP_TTL, Uint8Array.of(7, 0, 0, 0));
    assert.deepEqual(getOptionBytes(fd, linux.IPPROTO_IP, linux.IP_TTL, 4), Uint8Array.of(7, 0, 0, 0));
    assert.throws(() => setOptionBytes(fd, 9999, 3, new Uint8Array(4)), /setsockopt.*level 9999 option 3, 4 bytes/);
    assert.throws(() => openSocket(99, 1, 0), /socket.*family 99, type 1, protocol 0/);
    closeFd(fd);
  });
});
