// The text and the JSON of `show event cpu`: what each named task of each thread cost.
import type { TaskStats } from './tasks.ts';

/** The accounts of one thread. */
export interface ThreadTaskStats {
  thread: string;
  tasks: readonly TaskStats[];
}

const HEADER: string = [
  '                               CPU (user+system): Real (wall-clock):',
  'Active   Runtime(ms)   Invoked Avg uSec Max uSecs Avg uSec Max uSecs  Type  Event',
].join('\n');

function row(task: TaskStats): string {
  return [
    String(task.active).padStart(5),
    task.runtimeMs.toFixed(3).padStart(14),
    String(task.invoked).padStart(9),
    Math.round(task.cpuAverageUs).toString().padStart(8),
    Math.round(task.cpuMaxUs).toString().padStart(9),
    Math.round(task.realAverageUs).toString().padStart(8),
    Math.round(task.realMaxUs).toString().padStart(9),
    ` ${['R', 'W', 'T', 'E'].map(type => (task.types.includes(type) ? type : ' ')).join('')} `,
    task.name,
  ].join(' ');
}

function total(tasks: readonly TaskStats[]): TaskStats {
  const sum: TaskStats = {
    name: 'TOTAL',
    types: '',
    active: 0,
    invoked: 0,
    runtimeMs: 0,
    cpuAverageUs: 0,
    cpuMaxUs: 0,
    realAverageUs: 0,
    realMaxUs: 0,
  };
  let realUs = 0;
  for (const task of tasks) {
    for (const type of task.types) if (!sum.types.includes(type)) sum.types += type;
    sum.active += task.active;
    sum.invoked += task.invoked;
    sum.runtimeMs += task.runtimeMs;
    sum.cpuMaxUs = Math.max(sum.cpuMaxUs, task.cpuMaxUs);
    sum.realMaxUs = Math.max(sum.realMaxUs, task.realMaxUs);
    realUs += task.realAverageUs * task.invoked;
  }
  if (sum.invoked > 0) {
    sum.cpuAverageUs = (sum.runtimeMs * 1000) / sum.invoked;
    sum.realAverageUs = realUs / sum.invoked;
  }
  return sum;
}

/** The text: a table a thread, in FRR's columns. */
export function formatEventCpu(threads: readonly ThreadTaskStats[]): string {
  const out: string[] = [];
  for (const { thread, tasks } of threads) {
    const title = `Showing statistics for pthread ${thread}`;
    out.push('', title, '-'.repeat(title.length), HEADER, ...tasks.map(row));
  }
  const all = total(threads.flatMap(({ tasks }) => tasks));
  out.push('', 'Total Event statistics', '-------------------------', HEADER, row(all), '');
  return out.join('\n');
}

/** The JSON: threads by name, tasks by name, times in microseconds but the sum in milliseconds. */
export function eventCpuJson(threads: readonly ThreadTaskStats[]): object {
  const round = (us: number): number => Math.round(us * 1000) / 1000;
  return Object.fromEntries(
    threads.map(({ thread, tasks }) => [
      thread,
      Object.fromEntries(
        tasks.map(task => [
          task.name,
          {
            active: task.active,
            runtimeMsec: round(task.runtimeMs),
            invoked: task.invoked,
            cpuAvgUsec: round(task.cpuAverageUs),
            cpuMaxUsec: round(task.cpuMaxUs),
            realAvgUsec: round(task.realAverageUs),
            realMaxUsec: round(task.realMaxUs),
            types: task.types,
          },
        ]),
      ),
    ]),
  );
}
