// `npm run demo:ifproxy`: router.ts between two hosts, in namespaces that go with this process. A ping runs through it all the time,
// while the administrator of `router` changes things with `ip`, and nothing else.
//
//    left ──── p1 ┐ ports ┌ p2 ──── right         ports: the namespace that only router.ts looks into
//                 └ router.ts ┘
//               tap1      tap2                    router: where the administrator is
import { join } from 'node:path';
import { Lab, type Namespace } from '../../src/cli/demo/lab.ts';
import { until } from '../../src/cli/demo/until.ts';

const lab = new Lab();
let output = '';
let failed = false;

interface Counts {
  forwarded: number;
  toKernel: number;
  fromKernel: number;
  dropped: number;
}

async function main(): Promise<void> {
  const [left, right, ports, router] = await Promise.all(
    ['left', 'right', 'ports', 'router'].map(name => lab.namespace(name)),
  );
  await lab.link(left!, 'eth0', ports!, 'p1');
  await lab.link(right!, 'eth0', ports!, 'p2');
  // What is in the ports' namespace has no address, and asks for none: only the router looks at it.
  for (const port of ['p1', 'p2']) await ports!.run('ip', 'link', 'set', port, 'arp', 'off', 'addrgenmode', 'none');
  await host(left!, '10.1.0.2/24', '10.1.0.1', '2001:db8:1::2/64', '2001:db8:1::1');
  await host(right!, '10.2.0.2/24', '10.2.0.1', '2001:db8:2::2/64', '2001:db8:2::1');
  await router!.run('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');
  // Hosts are told of a new MAC at once.
  await router!.run('sysctl', '-qw', 'net.ipv4.conf.all.arp_notify=1', 'net.ipv6.conf.all.ndisc_notify=1');
  const child = router!.spawn(
    [
      process.execPath,
      '--conditions=source',
      join(import.meta.dirname, 'router.ts'),
      ports!.path,
      'p1=tap1',
      'p2=tap2',
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  child.stdout!.on('data', (bytes: Buffer) => {
    output += bytes.toString();
  });
  await until(() => output.includes('ready'), { what: 'the router to be ready' });
  const counts = async (): Promise<Counts> => {
    output = '';
    const [pid] = (await router!.run('pgrep', '-f', `router.ts ${ports!.path}`)).trim().split('\n').slice(-1);
    process.kill(Number(pid), 'SIGUSR1');
    await until(() => output.includes('}'), { what: 'the router’s counters' });
    return JSON.parse(output.slice(output.indexOf('{'), output.indexOf('}') + 1)) as Counts;
  };

  async function change(what: string, expected: 'reached' | 'not reached', ...commands: string[]): Promise<void> {
    for (const command of commands) {
      console.log(`router# ${command}`);
      await router!.run(...command.split(' '));
    }
    const wanted = expected === 'reached';
    let seen = false;
    await until(
      async () => {
        seen = (await ping(left!, '10.2.0.2')) && (await ping(left!, '2001:db8:2::2'));
        return seen === wanted;
      },
      { what: `right to be ${expected}` },
    ).catch(() => {
      failed = true;
    });
    console.log(`   ${seen === wanted ? '✔' : '✘'} ${what}: right is ${seen ? 'reached' : 'not reached'}`);
  }

  await change('nothing is configured', 'not reached');
  await change(
    'addresses',
    'reached',
    'ip link set tap1 up',
    'ip link set tap2 up',
    'ip addr add 10.1.0.1/24 dev tap1',
    'ip addr add 10.2.0.1/24 dev tap2',
    'ip -6 addr add 2001:db8:1::1/64 dev tap1 nodad',
    'ip -6 addr add 2001:db8:2::1/64 dev tap2 nodad',
  );
  const before = await counts();
  await left!.run('ping', '-q', '-c', '200', '-i', '0.002', '10.2.0.2');
  const after = await counts();
  const forwarded = after.forwarded - before.forwarded;
  if (forwarded < 380) failed = true;
  console.log(
    `   ${forwarded < 380 ? '✘' : '✔'} 200 pings and their answers: ${forwarded} forwarded in user space, ${after.toKernel - before.toKernel} handed to the kernel`,
  );
  await change('a link set down', 'not reached', 'ip link set tap2 down');
  await change(
    'and up: IPv6 addresses are for the administrator to give back',
    'reached',
    'ip link set tap2 up',
    'ip -6 addr replace 2001:db8:2::1/64 dev tap2 nodad',
  );
  await change('a route that drops', 'not reached', 'ip route add blackhole 10.2.0.2/32');
  await change('and is taken away', 'reached', 'ip route del blackhole 10.2.0.2/32');
  await change('another MAC', 'reached', 'ip link set tap2 address 02:00:00:00:00:22');
  await change('another MTU', 'reached', 'ip link set tap2 mtu 1400');
  // Too long for it, and not to be cut: the router hands the packet to the kernel, which says so.
  await until(async () => /mtu ?= ?1400/.test(await complaint(left!, '10.2.0.2')), {
    what: 'the kernel to name the MTU',
  });
  console.log('   ✔ a packet of 1428 bytes: “too long”, says the kernel');
  await change(
    'a neighbour with a wrong MAC',
    'not reached',
    'ip neigh replace 10.2.0.2 lladdr 02:00:00:00:00:66 dev tap2 nud permanent',
  );
  await change('and without', 'reached', 'ip neigh del 10.2.0.2 dev tap2');
  await change(
    'a nexthop object',
    'reached',
    'ip nexthop add id 7 via 10.2.0.2 dev tap2',
    'ip route add 10.3.0.0/16 nhid 7',
  );
  await right!.run('ip', 'addr', 'add', '10.3.0.1/16', 'dev', 'eth0');
  await until(() => ping(left!, '10.3.0.1'), { what: 'a host behind the nexthop object' });
  console.log('   ✔ 10.3.0.1 is reached by it');
  console.log(`counters: ${JSON.stringify(await counts())}`);
}

async function host(
  namespace: Namespace,
  address: string,
  gateway: string,
  address6: string,
  gateway6: string,
): Promise<void> {
  await namespace.run('ip', 'addr', 'add', address, 'dev', 'eth0');
  await namespace.run('ip', '-6', 'addr', 'add', address6, 'dev', 'eth0', 'nodad');
  await namespace.run('ip', 'route', 'add', 'default', 'via', gateway);
  await namespace.run('ip', '-6', 'route', 'add', 'default', 'via', gateway6);
}

/** What comes back of a packet of 1428 bytes that is not to be cut. */
function complaint(namespace: Namespace, address: string): Promise<string> {
  return namespace
    .run('sh', '-c', `ping -c 1 -W 1 -M do -s 1400 ${address} 2>&1; true`)
    .catch((error: unknown) => String(error));
}

function ping(namespace: Namespace, address: string): Promise<boolean> {
  return namespace.run('ping', '-q', '-c', '1', '-W', '1', address).then(
    () => true,
    () => false,
  );
}

try {
  await main();
} catch (error) {
  failed = true;
  console.error(error);
  console.error(output);
} finally {
  await lab.close();
}
console.log(failed ? 'the demo FAILED' : 'the demo is over: every change by `ip` was heard');
process.exitCode = failed ? 1 : 0;
