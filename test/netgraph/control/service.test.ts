import assert from 'node:assert/strict';
import { statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { NgctlClient } from '../../../src/netgraph/control/client.ts';
import { encodeFrame, FrameError, FrameReader } from '../../../src/netgraph/control/frame.ts';
import type { Messenger } from '../../../src/netgraph/control/messenger.ts';
import { type MakeMessenger, NgctlService } from '../../../src/netgraph/control/service.ts';
import { NetgraphError } from '../../../src/netgraph/graph/error.ts';
import { temporaryDirectory } from '../../lib/temporary.ts';
import { until } from '../../lib/wait.ts';
import { FakeMessenger, NODES } from './fake.ts';

interface Served {
  readonly service: NgctlService;
  readonly path: string;
  readonly fakes: FakeMessenger[];
  readonly bugs: unknown[];
}

async function serve(t: TestContext, makeMessenger?: MakeMessenger): Promise<Served> {
  const fakes: FakeMessenger[] = [];
  const bugs: unknown[] = [];
  const service = new NgctlService({
    runDir: temporaryDirectory(),
    makeMessenger:
      makeMessenger ??
      (name => {
        if (name === 'taken') throw new NetgraphError('EADDRINUSE', "there is a node 'taken'");
        const fake = new FakeMessenger(name);
        fakes.push(fake);
        return fake;
      }),
    onError: error => bugs.push(error),
  });
  t.after(() => service.close());
  return { service, path: await service.listen(), fakes, bugs };
}

async function connect(t: TestContext, path: string, name?: string): Promise<NgctlClient> {
  const client = await NgctlClient.connect(path, name);
  t.after(() => client.close());
  return client;
}

describe('a Messenger over the socket', () => {
  test('asks, sends and is told', async t => {
    const { path, fakes } = await serve(t);
    assert.equal(statSync(path).mode & 0o777, 0o660);
    const client: Messenger = await connect(t, path, 'ngctl7');
    const fake = fakes[0]!;
    assert.equal(client.name, 'ngctl7:');
    assert.deepEqual(await client.request('.:', 'listnodes'), { numnames: 3, nodeinfo: NODES });
    assert.equal(await client.request('fxp0:', 'name', { name: 'wan', raw: Uint8Array.of(0, 255) }), undefined);
    assert.deepEqual(fake.asked.at(-1), ['fxp0:', 'name', { name: 'wan', raw: Uint8Array.of(0, 255) }]);
    assert.deepEqual(await client.message('a:', 'getstats', ''), await fake.message('a:', 'getstats', ''));
    assert.deepEqual(await client.runtime(), await fake.runtime());
    await client.write('h', Buffer.from([1, 2, 254]));
    assert.deepEqual(fake.written, [{ hook: 'h', data: Uint8Array.of(1, 2, 254) }]);
    const told: unknown[] = [];
    client.onMessage(reply => told.push(reply));
    client.onData((hook, data) => told.push([hook, data]));
    const reply = { command: 'event', cmd: 9, from: '[3]:', ascii: '{ a=1 }', response: false };
    fake.tell(reply);
    fake.deliver('h', Uint8Array.of(9));
    await client.runtime();
    assert.deepEqual(told, [reply, ['h', Uint8Array.of(9)]]);
  });

  test('fails as the graph fails, and a bug is a bug', async t => {
    const { path, fakes, bugs } = await serve(t);
    await assert.rejects(NgctlClient.connect(path, 'taken'), {
      code: 'EADDRINUSE',
      message: /there is a node 'taken'/,
    });
    const client = await connect(t, path);
    await assert.rejects(client.request('nil:', 'listhooks'), (error: unknown) => {
      assert.ok(error instanceof NetgraphError);
      assert.deepEqual([error.code, error.explanation], ['ENOENT', "there is no node 'nil:'"]);
      return true;
    });
    fakes[0]!.intercept = () => Promise.reject(new TypeError('undefined is not a function'));
    await assert.rejects(client.request('.:', 'listnodes'), (error: unknown) => {
      assert.ok(error instanceof Error && !(error instanceof NetgraphError));
      assert.match(error.message, /undefined is not a function/);
      return true;
    });
    assert.equal(bugs.length, 1);
  });

  test('its node goes with it', async t => {
    const { path, fakes, service } = await serve(t);
    const first = await NgctlClient.connect(path);
    const second = await NgctlClient.connect(path);
    await first.close();
    assert.deepEqual(
      fakes.map(fake => fake.closed),
      [true, false],
    );
    await assert.rejects(first.runtime(), { code: 'ECONNRESET' });
    await first.close();
    // A client that is killed says nothing.
    const socket = net.connect(path);
    socket.write(encodeFrame({ id: 1, op: 'open' }));
    await until(() => fakes.length === 3, { what: 'the third node' });
    socket.destroy();
    await until(() => fakes[2]!.closed, { what: 'the third node to go' });
    await service.close();
    assert.ok(fakes.every(fake => fake.closed));
    await second.closed;
  });

  test('requests under way end with the daemon', async t => {
    const { path, fakes, service } = await serve(t);
    const client = await connect(t, path);
    fakes[0]!.intercept = () => new Promise(() => {});
    const asked = assert.rejects(client.request('.:', 'listnodes'), { code: 'ECONNRESET' });
    await until(() => fakes[0]!.asked.length === 1, { what: 'the request' });
    await service.close();
    await asked;
  });
});

test('a socket that nobody answers is replaced, one that is answered is not', async t => {
  const { path, service } = await serve(t);
  const runDir = join(path, '..');
  const other = new NgctlService({ runDir, makeMessenger: () => new FakeMessenger() });
  await assert.rejects(other.listen(), /another daemon answers here/);
  await service.close();
  writeFileSync(path, 'left behind');
  await other.listen();
  t.after(() => other.close());
  await connect(t, path);
});

describe('bounds', () => {
  test('clients beyond the limit are told so', async t => {
    const { path, service } = await serve(t);
    const clients = await Promise.all(Array.from({ length: 64 }, () => connect(t, path)));
    await assert.rejects(NgctlClient.connect(path), { code: 'EAGAIN', message: /64 clients/ });
    await clients[0]!.close();
    await until(() => service.sessions === 63, { what: 'room' });
    await connect(t, path);
  });

  test('what is no request ends the connection', async t => {
    const { path, service } = await serve(t);
    const bad = [
      Buffer.from([0xff, 0, 0, 0]),
      Buffer.from([0, 0, 0, 1, 0x7b]),
      encodeFrame([1]),
      encodeFrame({ id: 1, op: 'constructor' }),
      encodeFrame({ id: 1, op: 'write', hook: 'a', data: 'text' }),
      encodeFrame({ op: 'runtime' }),
    ];
    for (const bytes of bad) {
      const socket = net.connect(path);
      socket.write(bytes);
      const chunks: Buffer[] = [];
      for await (const chunk of socket) chunks.push(chunk as Buffer);
      const [answer] = new FrameReader(1000).push(Buffer.concat(chunks));
      assert.equal((answer!['error'] as { code: string }).code, 'EPROTO', JSON.stringify(answer));
    }
    await until(() => service.sessions === 0, { what: 'the connections to end' });
    const early = net.connect(path);
    early.write(encodeFrame({ id: 5, op: 'runtime' }));
    const [chunk] = (await once(early)) as [Buffer];
    assert.match(chunk.toString(), /"id":5,"error":\{"code":"ENOTCONN"/);
    early.destroy();
  });

  test('what came before it is answered', async t => {
    const { path } = await serve(t);
    const socket = net.connect(path);
    socket.write(
      Buffer.concat([encodeFrame({ id: 1, op: 'open' }), encodeFrame({ id: 2, op: 'runtime' }), encodeFrame([])]),
    );
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk as Buffer);
    const answers = [...new FrameReader(1000).push(Buffer.concat(chunks))];
    assert.deepEqual(
      answers.map(({ id }) => id),
      [1, 2, 0],
    );
  });

  test('a client that goes while nothing of it is read any more is missed', async t => {
    const { path, fakes, service } = await serve(t);
    const socket = net.connect(path);
    socket.write(encodeFrame({ id: 1, op: 'open' }));
    await until(() => fakes.length === 1, { what: 'the node' });
    fakes[0]!.intercept = () => new Promise(() => {});
    socket.resume();
    // More than is read at once, in pieces.
    const request = encodeFrame({ id: 2, op: 'request', path: '.:', command: 'x' });
    for (let i = 0; i < 5000; i++) socket.write(request);
    await until(() => fakes[0]!.asked.length === 1, { what: 'the request' });
    socket.destroy();
    await until(() => service.sessions === 0, { what: 'the end of the connection' });
  });

  test('a client that does not read loses what comes unasked, and learns how much', async t => {
    const { path, fakes } = await serve(t);
    const socket = net.connect(path);
    socket.write(encodeFrame({ id: 1, op: 'open' }));
    await until(() => fakes.length === 1, { what: 'the node' });
    socket.pause();
    const reader = new FrameReader(1_000_000);
    const SENT = 500;
    // 20 MB: more than the socket's buffers and the limit hold.
    for (let i = 0; i < SENT; i++) fakes[0]!.deliver('h', new Uint8Array(30_000));
    let came = 0;
    let lost = 0;
    socket.on('data', (chunk: Buffer) => {
      for (const message of reader.push(chunk)) {
        if (message['event'] === 'data') came++;
        if (message['event'] === 'lost') lost += message['count'] as number;
      }
    });
    socket.resume();
    await until(() => came + lost === SENT, { what: 'an account of all' });
    assert.ok(came > 0 && lost > 0, `${came} came, ${lost} lost`);
    socket.destroy();
  });

  test('requests sent ahead wait in the socket', async t => {
    const { path, fakes } = await serve(t);
    const client = await connect(t, path);
    let release = (): void => {};
    fakes[0]!.intercept = () =>
      new Promise(resolve => {
        release = () => resolve(1);
      });
    const first = client.request('.:', 'x');
    await until(() => fakes[0]!.asked.length === 1, { what: 'the request' });
    const rest = Array.from({ length: 1023 }, (_, i) => client.request('.:', 'listnames', i));
    await assert.rejects(client.request('.:', 'x'), { code: 'ENOBUFS' });
    fakes[0]!.intercept = undefined;
    release();
    assert.equal(await first, 1);
    assert.equal((await Promise.all(rest)).length, 1023);
    assert.deepEqual(
      fakes[0]!.asked.slice(1).map(([, , i]) => i),
      Array.from({ length: 1023 }, (_, i) => i),
    );
  });
});

function once(socket: net.Socket): Promise<unknown[]> {
  return new Promise(resolve => {
    socket.once('data', chunk => resolve([chunk]));
  });
}

test('frames come whole, however the stream is cut', () => {
  const value = fc.oneof(fc.uint8Array(), fc.string(), fc.integer(), fc.record({ a: fc.uint8Array(), b: fc.string() }));
  fc.assert(
    fc.property(fc.array(value, { maxLength: 5 }), fc.array(fc.nat(40), { minLength: 1 }), (values, cuts) => {
      const stream = Buffer.concat(values.map(v => encodeFrame({ v })));
      const reader = new FrameReader(100_000);
      const messages: unknown[] = [];
      for (let at = 0, i = 0; at < stream.length; i++) {
        const size = 1 + cuts[i % cuts.length]!;
        messages.push(...reader.push(stream.subarray(at, at + size)));
        at += size;
      }
      assert.deepEqual(JSON.parse(JSON.stringify(messages)), JSON.parse(JSON.stringify(values.map(v => ({ v })))));
    }),
  );
  assert.throws(() => [...new FrameReader(10).push(encodeFrame({ v: 'x'.repeat(10) }))], FrameError);
});
