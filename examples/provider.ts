// A provider in the pipeline of a program of one's own: it vetoes prefixes longer than /24; the kernel takes the others.
//
//   sudo unshare --net bin/node --conditions=source examples/provider.ts
//
// In a checkout, that is; a program that has installed the package needs no condition.
import {
  type ContextPool,
  createDataplaneChannel,
  Dataplane,
  DataplaneClient,
  OP_ROUTE_INSTALL,
} from 'grevy/dataplane';

const EPERM = 1;
const channel = createDataplaneChannel();
const dataplane = new Dataplane(channel);
dataplane.pipeline.register({
  name: 'no specifics',
  priority: 'pre-kernel',
  process(work) {
    for (let route = work.take(); route >= 0; route = work.take()) {
      if (work.pool.op(route) === OP_ROUTE_INSTALL && work.pool.length(route) > 24) work.fail(route, EPERM);
      else work.finish(route);
    }
  },
});

// In the place of zebra: three routes are asked for.
const zebra = new DataplaneClient(channel);
for (const [object, length] of [16, 24, 32].entries()) {
  const route = zebra.allocate(OP_ROUTE_INSTALL);
  zebra.requests.setObject(route, object, 1);
  zebra.requests.setRoute(route, 254, 2, 0xc6330000, 0, 0, 0, length, 4, 6 /* blackhole */, 20, 0);
  zebra.enqueue(route);
}
zebra.flush();
let results = 0;
const told = (pool: ContextPool, route: number): void => {
  results++;
  const by = dataplane.pipeline.providers.find(({ id }) => id === pool.provider(route))?.name;
  console.log(
    `/${pool.length(route)}: ${pool.errno(route) === 0 ? 'installed' : `refused by "${by}", errno ${pool.errno(route)}`}`,
  );
};
while (results < 3) {
  dataplane.turn(); // or in a thread: Thread.start({ name, entry: dataplaneThread, data: { channel }, ownLoop: true })
  zebra.poll(64, told, () => {});
}
for (const { name, in: came, errors } of dataplane.pipeline.providers)
  console.log(`${name}: ${came} came in, ${errors} failed`);
dataplane.close();
process.exit();
