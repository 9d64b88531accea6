// A provider out of tree: appends what the kernel took to a file. In the configuration:
//
//   dplane provider log module /etc/grevy/route-log.mjs priority post-kernel threaded
import { appendFileSync } from 'node:fs';

/** @type {import('grevy/dataplane').ProviderModule['default']} */
export default ({ name }) => ({
  name,
  priority: 'post-kernel',
  process(work) {
    let text = '';
    for (let context = work.take(); context >= 0; context = work.take()) {
      text += `${new Date().toISOString()} ${work.describe(context)}\n`;
      work.finish(context);
    }
    if (text !== '') appendFileSync('/tmp/routes.log', text); // it may wait: it has a thread of its own
  },
});
