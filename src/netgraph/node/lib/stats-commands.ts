// getstats, clrstats and getclrstats: three commands that many types have, of one function that says what was counted and, where it is told to,
// counts from zero again. What `show graph runtime` tells of the node counts on.
import { command, type ControlHalf, type TypeCommand } from '../../graph/type.ts';
import type { Form } from '../../message/form.ts';

export interface StatsCommands<Control, Args, Stats> {
  /** Numbers of the three. */
  readonly cmds: readonly [get: number, clear: number, getAndClear: number];
  /** What the names end with: `stats` unless told. */
  readonly noun?: string;
  readonly args?: Form<Args>;
  readonly reply: Form<Stats>;
  readonly stats: (control: Control, args: Args, clear: boolean) => Stats | Promise<Stats>;
}

export function statsCommands<Control extends ControlHalf, Stats, Args = undefined>(
  row: StatsCommands<Control, Args, Stats>,
): TypeCommand[] {
  const { cmds, noun = 'stats', reply, stats } = row;
  const args = row.args === undefined ? {} : { args: row.args };
  const [get, clear, getAndClear] = cmds;
  return [
    command<Control, Args, Stats>({
      name: `get${noun}`,
      cmd: get,
      ...args,
      reply,
      handle: (control, said) => stats(control, said, false),
    }),
    command<Control, Args>({
      name: `clr${noun}`,
      cmd: clear,
      ...args,
      handle: (control, said) => {
        const cleared = stats(control, said, true);
        return cleared instanceof Promise ? cleared.then(() => {}) : undefined;
      },
    }),
    command<Control, Args, Stats>({
      name: `getclr${noun}`,
      cmd: getAndClear,
      ...args,
      reply,
      handle: (control, said) => stats(control, said, true),
    }),
  ];
}
