import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  acceptSocket,
  arena,
  bindSocket,
  bindToDevice,
  bindUnix,
  check,
  clockMonotonicUs,
  closeFd,
  connectSocket,
  connectUnix,
  decodeSocketAddress,
  E,
  encodeSocketAddress,
  errnoName,
  libc,
  listenSocket,
  linux,
  localAddress,
  openTcp,
  openUnix,
  peerAddress,
  receive,
  setMinTtl,
  setNoDelay,
  setReuseAddress,
  setTcpMd5,
  setTrafficClass,
  setTtl,
  socketError,
  SysError,
  threadCpuUs,
  transmit,
  unixPair,
  watchFd,
} from '../../src/sys/index.ts';
import { until } from '../lib/wait.ts';
import { Lab, runCommand } from '../lib/netns.ts';

const loopback4 = { family: 2, words: [0x7f000001, 0, 0, 0], port: 0, scopeId: 0 } as const;
const loopback6 = { family: 10, words: [0, 0, 0, 1], port: 0, scopeId: 0 } as const;

describe('system calls', () => {
  test('an error carries call, errno, name and detail', () => {
    assert.throws(
      () => check(libc.close(-1), 'close', 'descriptor -1'),
      (error: unknown) =>
        error instanceof SysError &&
        error.errno === E.EBADF &&
        error.code === 'EBADF' &&
        error.syscall === 'close' &&
        /Bad file descriptor \(EBADF\): descriptor -1/.test(error.message),
    );
    assert.equal(errnoName(11), 'EAGAIN');
    assert.equal(errnoName(105), 'ENOBUFS');
    assert.equal(errnoName(99_999), 'E99999');
  });

  test('clocks go forward', () => {
    const wall = clockMonotonicUs();
    const cpu = threadCpuUs();
    // How long that takes depends on who else wants the processor.
    while (threadCpuUs() <= cpu && clockMonotonicUs() - wall < 5_000_000);
    assert.ok(threadCpuUs() > cpu);
    assert.ok(clockMonotonicUs() > wall);
  });

  test('socket addresses survive the way to the kernel and back', () => {
    const word = fc.integer({ min: 0, max: 0xffffffff });
    const address = fc.oneof(
      fc.record({
        family: fc.constant(2 as const),
        words: fc.tuple(word, fc.constant(0), fc.constant(0), fc.constant(0)),
        port: fc.integer({ min: 0, max: 65_535 }),
        scopeId: fc.constant(0),
      }),
      fc.record({
        family: fc.constant(10 as const),
        words: fc.tuple(word, word, word, word),
        port: fc.integer({ min: 0, max: 65_535 }),
        scopeId: word,
      }),
    );
    fc.assert(
      fc.property(address, value => {
        const bytes = encodeSocketAddress(value);
        assert.deepEqual(decodeSocketAddress(bytes), { ...value });
        for (let n = 0; n < bytes.length; n++) assert.equal(decodeSocketAddress(bytes.subarray(0, n)), undefined);
      }),
    );
  });

  for (const address of [loopback4, loopback6]) {
    test(`TCP over family ${address.family}: listen, connect, accept, send, receive, end`, async () => {
      const server = openTcp(address.family);
      setReuseAddress(server);
      bindSocket(server, address);
      listenSocket(server);
      setTcpMd5(server, address, 'secret');
      const port = localAddress(server)!.port;
      assert.equal(acceptSocket(server), undefined);

      const client = openTcp(address.family);
      setTcpMd5(client, address, 'secret');
      setNoDelay(client);
      setTtl(client, address.family, 255);
      setMinTtl(server, address.family, 1);
      setTrafficClass(client, address.family, 0xc0);
      connectSocket(client, { ...address, port });
      const accepted = await until(() => acceptSocket(server), { what: 'a connection', everyMs: 1 });
      assert.deepEqual(accepted.peer!.words, address.words);
      assert.equal(peerAddress(client)!.port, port);
      assert.equal(socketError(client), 0);

      const bytes = new Uint8Array(new SharedArrayBuffer(16));
      assert.equal(receive(accepted.fd, bytes, 0, 16), -1, 'nothing yet');
      assert.equal(transmit(client, Uint8Array.of(9, 1, 2, 3), 1, 3), 3);
      await until(() => receive(accepted.fd, bytes, 4, 12) === 3, { what: 'three bytes', everyMs: 1 });
      assert.deepEqual([...bytes.subarray(3, 8)], [0, 1, 2, 3, 0]);
      closeFd(client);
      await until(() => receive(accepted.fd, bytes, 0, 16) === 0, { what: 'the end of the stream', everyMs: 1 });
      for (const fd of [accepted.fd, server]) closeFd(fd);
    });
  }

  test('a connection that nobody takes says why', async () => {
    const probe = openTcp(2);
    bindSocket(probe, loopback4);
    const port = localAddress(probe)!.port; // bound, but not listening
    const client = openTcp(2);
    let refused = 0;
    try {
      if (!connectSocket(client, { ...loopback4, port })) {
        refused = await until(() => socketError(client), { what: 'an error', everyMs: 1 });
      }
    } catch (error) {
      refused = (error as SysError).errno;
    }
    assert.equal(refused, E.ECONNREFUSED);
    assert.throws(() => bindToDevice(client, 'no-such-if'), /ENODEV|EPERM/);
    closeFd(client);
    closeFd(probe);
  });

  test('Unix sockets: listen, connect, accept', async () => {
    const lab = new Lab();
    const path = `${await lab.directory()}/s`;
    const server = openUnix();
    bindUnix(server, path);
    listenSocket(server);
    const client = openUnix();
    assert.equal(connectUnix(client, path), true);
    const accepted = acceptSocket(server);
    assert.ok(accepted && accepted.peer === undefined);
    assert.throws(() => connectUnix(client, 'x'.repeat(200)), /ENAMETOOLONG/);
    for (const fd of [client, server, accepted.fd]) closeFd(fd);
    await lab.close();
  });

  test('a pipe that nobody reads gives EPIPE, not a signal', () => {
    const [a, b] = unixPair();
    closeFd(b);
    assert.throws(() => transmit(a, new Uint8Array(1), 0, 1), /EPIPE/);
    closeFd(a);
  });

  test('a watch runs promises, can be changed and survives the collector', async () => {
    const [a, b] = unixPair();
    const bytes = new Uint8Array(16);
    let promises = 0;
    let writable = 0;
    const watch = watchFd(a, { readable: true }, ready => {
      if (ready.writable) {
        writable++;
        watch.set({ readable: true });
        return;
      }
      receive(a, bytes, 0, 16);
      void Promise.resolve().then(() => promises++);
    });
    (globalThis as { gc?: () => void }).gc?.();
    for (let i = 1; i <= 3; i++) {
      transmit(b, bytes, 0, 1);
      await until(() => promises === i, { what: 'a promise of the watch', everyMs: 1 });
    }
    watch.set({ writable: true });
    await until(() => writable === 1, { what: 'writable', everyMs: 1 });
    watch.close();
    watch.close();
    closeFd(a);
    closeFd(b);
  });

  test('an exception in a watch surfaces', async () => {
    const face = new URL('../../src/sys/index.ts', import.meta.url).href;
    const code = `
      import { transmit, unixPair, watchFd } from ${JSON.stringify(face)};
      const [a, b] = unixPair();
      watchFd(a, { readable: true }, () => { throw new Error('from the watch'); });
      process.once('uncaughtException', error => { console.log(error.message); process.exit(0); });
      transmit(b, new Uint8Array(1), 0, 1);`;
    assert.equal(await runCommand(process.execPath, ['--input-type=module', '-e', code]), 'from the watch\n');
  });

  test('an arena block keeps its address', () => {
    const block = arena(64);
    block.view.setUint32(0, 0x01020304);
    assert.ok(block.address > 0n);
    assert.equal(block.bytes[3], 4);
    assert.throws(() => arena(0), RangeError);
    // The address is good for a call that takes it: an eventfd's counter is written from there.
    const fd = check(libc.eventfd(0, linux.EFD_NONBLOCK), 'eventfd');
    block.view.setBigUint64(0, 5n, true);
    assert.equal(libc.write(fd, block.address, 8), 8);
    const count = new BigUint64Array(1);
    assert.equal(libc.read(fd, new Uint8Array(count.buffer), 8), 8);
    assert.equal(count[0], 5n);
    closeFd(fd);
  });
});
