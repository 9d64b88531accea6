// What each follower of the dataplane has been told.
import type { FollowerState } from '../feed/follower.ts';
import type { Zebra } from '../zebra.ts';

export function feedJson(zebra: Zebra): Record<string, FollowerState> {
  return Object.fromEntries(zebra.followers.states.map(state => [state.follower, state]));
}

export function showFeed(zebra: Zebra): string {
  let text = '';
  for (const one of zebra.followers.states) {
    text += `Follower ${one.follower}: ${one.state}, ${one.routes} routes, ${one.nexthops} nexthop objects, ${one.labels} labels\n`;
    text += `  told ${one.told}, outstanding ${one.outstanding}, waiting ${one.dirty}, replays ${one.replays}`;
    text += `, refusals ${one.refusals}\n`;
    const failures = Object.entries(one.failures);
    for (const [errno, count] of failures) text += `  failed with errno ${errno}: ${count}\n`;
    if (one.lastFailure) text += `  last failure: ${one.lastFailure.what}, errno ${one.lastFailure.errno}\n`;
  }
  return text === '' ? 'No follower\n' : text;
}
