// What threads share and how they are run: rings, pools and doorbells in shared memory, reclamation, named tasks, work queues, threads.
export {
  add,
  compareExchange,
  exchange,
  LINE_BYTES,
  LINE_WORDS,
  load,
  notify,
  octets,
  store,
  sub,
  wait,
  words,
} from './atomics.ts';
export { ByteConsumer, ByteProducer, ByteRing } from './byte-ring.ts';
export { type Clock, closeAtEnd, idleClock, type Interest, nodeClock, VirtualClock, type Watch } from './clock.ts';
export { Doorbell } from './doorbell.ts';
export { EpochGuard, type Pinned } from './epoch-guard.ts';
export { eventCpuJson, formatEventCpu, type ThreadTaskStats } from './event-cpu.ts';
export { HandleConsumer, HandleProducer, HandleRing, type QueueStats } from './handle-ring.ts';
export { Limbo } from './limbo.ts';
export { PollLoop } from './poll-loop.ts';
export { QsbrReader } from './qsbr.ts';
export { Qsbr, type QsbrMemoryStats, type SlotStats } from './qsbr-memory.ts';
export { QsbrWriter, type QsbrWriterOptions, type QsbrWriterStats, type StalledReader } from './qsbr-writer.ts';
export { type PoolStats, SlotPool } from './slot-pool.ts';
export { StreamReader, StreamRing, StreamWriter } from './stream-ring.ts';
export { type IoFunctions, TaskLoop } from './task-loop.ts';
export {
  type BellTask,
  type EventTask,
  type TaskStats,
  type TaskType,
  type TimerTask,
  type WorkTask,
  YIELD_MS,
} from './tasks.ts';
export { MarkQueue, type MarkQueueOptions } from './mark-queue.ts';
export { type StopKind, Thread, type ThreadOptions, type ThreadSide, threadSide } from './thread.ts';
export {
  formatWorkQueues,
  type Loop,
  WorkQueue,
  type WorkQueueOptions,
  type WorkQueueStats,
  type WorkResult,
} from './work-queue.ts';
