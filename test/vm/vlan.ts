// netgraph's vlan node beside Linux's 802.1Q devices, on the same frames: what each takes off a tagged frame and for whom, and that each
// takes what the other has tagged.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Lab, type Namespace, quietNamespace } from '../lib/netns.ts';
import { until } from '../lib/wait.ts';
import { BROADCAST, frame, Wire } from '../netgraph/lib/frames.ts';
import { Inline } from '../netgraph/lib/inline.ts';

export const MODULES: readonly string[] = ['8021q', 'veth'];

/** Runs inside. */
export function suite(): void {
  describe("vlan nodes of netgraph, beside Linux's devices", tests);
}

const VLANS = [5, 100] as const;
const FROM = [2, 0, 0, 0, 0, 1] as const;
/** 88b5 is nobody's (IEEE 802, local experiments); the number tells frames apart. */
const plain = (number: number): number[] => [0x88, 0xb5, number, 1, 2, 3];
const tagged = (tag: number, number: number): Uint8Array =>
  frame(BROADCAST, FROM, 0x81, 0, tag >> 8, tag & 255, ...plain(number));
const untagged = (number: number): Uint8Array => frame(BROADCAST, FROM, ...plain(number));

/** Prints the tag that the kernel took off the next frame of ours, and the frame: Linux hands over both apart, whoever asks. */
const LISTEN = `import socket, struct
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind(('eth0', 0))
s.setsockopt(263, 8, 1)
print('ready', flush=True)
while True:
    data, extra, _, address = s.recvmsg(2048, 256)
    if data[12:14] != b'\\x88\\xb5' or address[2] == 4: continue
    status, _, _, _, _, tci, _ = struct.unpack('IIIHHHH', extra[0][2])
    print(tci if status & 16 else -1, data.hex(), flush=True)
`;

function tests(): void {
  const lab = new Lab();
  let near: Namespace;
  let far: Namespace;
  let inline: Inline;
  const wires = new Map<string, Wire>();

  before(async () => {
    near = await quietNamespace(lab, 'near');
    far = await quietNamespace(lab, 'far');
    await lab.link(near, 'eth0', far, 'eth0');
    const lines = VLANS.map(
      vlan => `link add v${vlan} link eth0 type vlan id ${vlan} egress-qos-map 0:3\nlink set v${vlan} up\n`,
    );
    const batch = join(await lab.directory(), 'links');
    writeFileSync(batch, lines.join(''));
    await far.run('ip', '-batch', batch);
    for (const name of ['eth0', 'v5', 'v100']) wires.set(name, new Wire(far.path, name));
    wires.set('near', new Wire(near.path, 'eth0'));
    inline = await Inline.open();
    const node = inline.make('vlan', 'downstream', 'nomatch', 'v5', 'v100');
    await inline.ascii(node, 'addfilter', '{ hook="v5" vid=5 pcp=3 }');
    await inline.ascii(node, 'addfilter', '{ hook="v100" vid=100 pcp=3 }');
  });
  after(async () => {
    await inline?.close();
    for (const wire of wires.values()) wire.close();
    await lab.close();
  });

  /** Frames of ours that have come to a device of Linux's since it was asked last. */
  const linux = (device: string): string[] =>
    wires
      .get(device)!
      .all()
      .filter(data => data.readUInt16BE(12) === 0x88b5)
      .map(data => data.toString('hex'));
  const ours = async (): Promise<{ hook: string; data: Buffer }[]> =>
    (await inline.came()).map(({ hook, data }) => ({ hook, data: Buffer.from(data) }));

  test('a tag is taken off for the same VLAN, whatever its priority, and leaves the same frame', async () => {
    const tags = [5, 100, 0xe005, 0x7064, 7];
    const seen: Record<string, string[]> = { v5: [], v100: [] };
    for (const [i, tag] of tags.entries()) {
      wires.get('near')!.send(tagged(tag, i));
      inline.write('downstream', tagged(tag, i));
    }
    await until(
      () => {
        for (const device of ['v5', 'v100']) seen[device]!.push(...linux(device));
        return seen['v5']!.length + seen['v100']!.length >= 4;
      },
      { what: () => `four frames, not ${JSON.stringify(seen)}` },
    );
    const came = await ours();
    for (const device of ['v5', 'v100'])
      assert.deepEqual(
        came.filter(({ hook }) => hook === device).map(({ data }) => data.toString('hex')),
        seen[device],
        device,
      );
    assert.deepEqual(
      came.filter(({ hook }) => hook === 'nomatch').map(({ data }) => data.toString('hex')),
      [Buffer.from(tagged(7, 4)).toString('hex')],
      'what no device of Linux has',
    );
  });

  test("what the node has tagged comes out of Linux's device, and the other way round, with one priority", async () => {
    const listening = near.spawn(['python3', '-c', LISTEN], { stdio: ['ignore', 'pipe', 'inherit'] });
    let heard = '';
    listening.stdout!.on('data', chunk => (heard += String(chunk)));
    await until(() => heard.startsWith('ready\n'), { what: 'the listener' });
    for (const [i, vlan] of VLANS.entries()) {
      const name = `v${vlan}`;
      inline.write(name, untagged(i));
      const [made] = await ours();
      assert.equal(made?.hook, 'downstream');
      wires.get('near')!.send(made.data);
      const got = await until(() => linux(name)[0], { what: `a frame of ours at ${name}` });
      assert.equal(got, Buffer.from(untagged(i)).toString('hex'));
      // Linux's own, of which the receiving kernel says the tag apart.
      heard = '';
      wires.get(name)!.send(untagged(i));
      await until(() => heard.endsWith('\n'), { what: `a frame of ${name}'s` });
      const [tag, data] = heard.trim().split(' ') as [string, string];
      assert.equal(Number(tag), made.data.readUInt16BE(14), 'the same tag');
      assert.equal(data, Buffer.from(untagged(i)).toString('hex'));
      // That frame with that tag in it, for the node.
      inline.write('downstream', made.data);
      assert.deepEqual(
        (await ours()).map(one => `${one.hook} ${one.data.toString('hex')}`),
        [`${name} ${data}`],
      );
    }
    await lab.stop(listening);
  });
}
