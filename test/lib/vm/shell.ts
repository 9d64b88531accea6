// `npm run vm`: a shell in the virtual machine of the tests; with arguments, one command. Ctrl-A X takes its power away.
import { dirname } from 'node:path';
import { bootVm } from '../vm.ts';

const modules =
  'dummy vrf 8021q bonding bridge veth vxlan macvlan ip_gre ip6_gre ipip sit tun mpls_router mpls_iptunnel'.split(' ');
const command = process.argv.slice(2).join(' ');
// In a session of its own with the console as its terminal, so that Ctrl-C reaches it.
const shell = [
  'exec setsid --ctty --wait bash',
  ...(command === '' ? [] : ['-c', `'${command.replaceAll("'", "'\\''")}'`]),
];
process.exitCode = await bootVm(
  `export PATH='${dirname(process.execPath)}':$PATH TERM=xterm
${shell.join(' ')} <>/dev/ttyS0 >&0 2>&1`,
  { modules, interactive: true, timeoutMs: 2 ** 31 - 1 },
);
