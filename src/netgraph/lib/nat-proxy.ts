// Transparent proxies: what one inside asks somebody outside for is answered by a server, and the one inside does not notice.

/** What is sent from and to here is answered by a server. */
export interface NatProxyRule {
  readonly protocol: number;
  /** 0: any. */
  readonly port: number;
  readonly source: number;
  readonly sourceMask: number;
  readonly destination: number;
  readonly destinationMask: number;
  readonly server: number;
  /** 0: the port that was asked for. */
  readonly serverPort: number;
}

/** The first rule that fits what `source` asks for, unless it is the proxy itself that asks. Addresses are signed words. */
export function proxyFor(
  rules: readonly NatProxyRule[],
  protocol: number,
  source: number,
  destination: number,
  port: number,
): NatProxyRule | undefined {
  for (let i = 0; i < rules.length; i++) {
    const rule = rules[i]!;
    if (
      rule.protocol === protocol &&
      (rule.port === 0 || rule.port === port) &&
      (source & rule.sourceMask) === (rule.source | 0) &&
      (destination & rule.destinationMask) === (rule.destination | 0) &&
      source !== (rule.server | 0)
    )
      return rule;
  }
  return undefined;
}
