// Policy rules.
import { rtnetlink as c, writeRule } from '../../../netlink/index.ts';
import { type Encode, few, type Pair, pair, type Told, toldAs, written } from './encoding.ts';

function message(type: number, flags: number): Encode {
  return written((pool, handle, writer, sequence) => {
    const rule = pool.rule(handle);
    const { inputInterface, outputInterface, source, destination, inverted, tos = 0, ...rest } = rule;
    writeRule(writer, type, flags, sequence, {
      ...rest,
      tos,
      flags: inverted ? c.FIB_RULE_INVERT : 0,
      ...(rule.sourceLength === 0 ? {} : { source }),
      ...(rule.destinationLength === 0 ? {} : { destination }),
      ...(inputInterface === '' ? {} : { inputInterface }),
      ...(outputInterface === '' ? {} : { outputInterface }),
    });
  });
}

/** Not NLM_F_REPLACE: the kernel has no such thing for rules, and would add the same one twice without NLM_F_EXCL. */
export const rule: Pair = pair(message(c.RTM_NEWRULE, c.NLM_F_CREATE | c.NLM_F_EXCL), message(c.RTM_DELRULE, 0));

export const told: Told = toldAs(c.RTM_NEWRULE, c.RTM_DELRULE, few, rule.install.encode);
