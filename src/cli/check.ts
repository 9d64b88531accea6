// `grevy check -c FILE`: reads a configuration as the daemon would, without one. Errors make it fail; what is only
// suspicious (a route-map that is used and not defined) is a warning.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { allCommands } from '../daemon/commands.ts';
import { type ConfigTree, Grammar, type Line, loadConfig } from '../vty/index.ts';

export async function check(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...argv], options: { config: { type: 'string', short: 'c' } } });
  const file = values.config;
  if (file === undefined) {
    process.stderr.write('grevy check: which file? (-c FILE)\n');
    return 2;
  }
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    process.stderr.write(`grevy check: ${(error as Error).message}\n`);
    return 1;
  }
  const { tree, problems } = loadConfig(new Grammar(allCommands), text, file);
  for (const { line, message } of problems) process.stderr.write(`${file}:${line}: error: ${message}\n`);
  const found = warnings(tree);
  for (const { line, message } of found) process.stderr.write(`${file}:${line}: warning: ${message}\n`);
  const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;
  const rest = `${count(problems.length, 'error')}, ${count(found.length, 'warning')}`;
  process.stdout.write(`${file}: ${problems.length + found.length === 0 ? 'no errors' : rest}\n`);
  return problems.length > 0 ? 1 : 0;
}

interface Warning {
  readonly line: number;
  readonly message: string;
}

/** Where a line names something that another line defines: what it is, and how the text says it. */
const REFERENCES: readonly (readonly [kind: string, pattern: RegExp])[] = [
  [
    'route-map',
    /^(?:neighbor|network|redistribute|aggregate-address|table-map|ip|ipv6)\b.* (?:route-map|table-map) (\S+)/,
  ],
  ['route-map', /^table-map (\S+)/],
  ['route-map', /^(?:route-map vpn (?:import|export)|import vrf route-map) (\S+)/],
  ['router bgp … vrf', /^import vrf (?!route-map |default$)(\S+)/],
  ['route-map', /^call (\S+)/],
  ['ip prefix-list', /^match ip (?:address|next-hop|route-source) prefix-list (\S+)/],
  ['ipv6 prefix-list', /^match ipv6 (?:address|next-hop) prefix-list (\S+)/],
  ['prefix-list', /^neighbor \S+ prefix-list (\S+)/],
  ['as-path access-list', /^match as-path (\S+)/],
  ['as-path access-list', /^neighbor \S+ filter-list (\S+)/],
  ['community-list', /^match community (\S+)/],
  ['large-community-list', /^match large-community (\S+)/],
];

const DEFINITIONS: readonly (readonly [kind: string, pattern: RegExp])[] = [
  ['router bgp … vrf', /^router bgp \d+ vrf (\S+)/],
  ['route-map', /^route-map (\S+)/],
  ['ip prefix-list', /^ip prefix-list (\S+)/],
  ['ipv6 prefix-list', /^ipv6 prefix-list (\S+)/],
  ['prefix-list', /^ip(?:v6)? prefix-list (\S+)/],
  ['as-path access-list', /^(?:bgp )?(?:ip )?as-path access-list (\S+)/],
  ['community-list', /^(?:bgp |ip )?community-list (?:standard |expanded )?(\S+)/],
  ['large-community-list', /^(?:bgp |ip )?large-community-list (?:standard |expanded )?(\S+)/],
];

/** What can be said without a daemon. */
export function warnings(tree: ConfigTree): Warning[] {
  const defined = new Set<string>();
  const used: { line: Line; kind: string; name: string }[] = [];
  const remoteAs = new Set<string>();
  const neighbours = new Map<string, Line>();
  for (const { line, block } of tree.walk()) {
    for (const [kind, pattern] of DEFINITIONS) {
      const name = block === tree.root ? pattern.exec(line.text)?.[1] : undefined;
      if (name !== undefined) defined.add(`${kind} ${name}`);
    }
    if (line.negative) continue;
    for (const [kind, pattern] of REFERENCES) {
      const name = pattern.exec(line.text)?.[1];
      if (name !== undefined) used.push({ line, kind, name });
    }
    const neighbour = /^neighbor (\S+) (\S+)/.exec(line.text);
    if (!neighbour) continue;
    const [, name = '', word = ''] = neighbour;
    if (word === 'remote-as' || word === 'peer-group' || word === 'interface') remoteAs.add(name);
    else if (!neighbours.has(name)) neighbours.set(name, line);
  }
  const found: Warning[] = [];
  for (const { line, kind, name } of used) {
    if (!defined.has(`${kind} ${name}`)) {
      found.push({ line: line.source, message: `${kind} '${name}' is used and not defined: '${line.text}'` });
    }
  }
  for (const [name, line] of neighbours) {
    if (!remoteAs.has(name))
      found.push({ line: line.source, message: `neighbor ${name} has no remote-as: '${line.text}'` });
  }
  return found.sort((a, b) => a.line - b.line);
}
