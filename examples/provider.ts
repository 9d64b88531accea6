// A provider in the pipeline, from a program of one's own: it vetoes prefixes longer than /24 and counts what the kernel took.
//
//   sudo unshare --net bin/node examples/provider.ts
import { createDataplaneChannel, Dataplane, DataplaneClient, OP_ROUTE_INSTALL } from '../src/dataplane/index.ts'; // grevy/dataplane

const channel = createDataplaneChannel();
const dataplane = new Dataplane(channel);
dataplane.pipeline.register({
  name: 'no specifics',
  priority: 'pre-kernel',
  process(work) {
    for (let route = work.take(); route >= 0; route = work.take()) {
      if (work.pool.op(route) === OP_ROUTE_INSTALL && work.pool.length(route) > 24)
        work.fail(route, 1); // EPERM
      else work.finish(route);
    }
  },
});

const zebra = new DataplaneClient(channel);
for (const [object, length] of [16, 24, 32].entries()) {
  const route = zebra.allocate(OP_ROUTE_INSTALL);
  zebra.requests.setObject(route, object, 1);
  zebra.requests.setRoute(route, 254, 2, 0xc6330000, 0, 0, 0, length, 4, 6 /* blackhole */, 20, 0);
  zebra.enqueue(route);
}
zebra.flush();
let results = 0;
const told = (pool: typeof zebra.requests, route: number): void => {
  results++;
  console.log(`/${pool.length(route)}: ${pool.errno(route) === 0 ? 'installed' : `errno ${pool.errno(route)}`}`);
};
while (results < 3) {
  dataplane.turn(); // or in a thread: Thread.start({ name, entry: dataplaneThread, data: { channel }, ownLoop: true })
  zebra.poll(64, told, () => {});
}
process.exit();
