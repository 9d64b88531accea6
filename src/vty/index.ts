// The command language. A room declares its commands with `exec`, `config` and `commandSet`; the thread that owns their
// state answers with `serveCommands`; main reads lines with `Grammar` and keeps them in a `ConfigTree`.
export type { Args, ArgumentValue, CommandArgs } from './args.ts';
export {
  type Command,
  type CommandSet,
  type ConfigSpec,
  commandSet,
  config,
  type ExecSpec,
  exec,
  type Mode,
  type Output,
  type Sequence,
  type Siblings,
  type Session,
} from './command.ts';
export { CommandError } from './error.ts';
export {
  type CommandReply,
  type CommandRequest,
  type ConfigAction,
  type ConfigResult,
  commandHandler,
  formatJson,
  perform,
  type RequestSide,
  type ServeExtras,
  serveCommands,
  type Tables,
  type ThreadStatus,
} from './serve.ts';
export type { Match } from './bind.ts';
export { BASE_MODES, explain, Grammar, wordsOf } from './grammar.ts';
export type { Candidate, Entry, ParseError } from './mode-grammar.ts';
export { loadConfig, type ConfigProblem, type LoadedConfig } from './file.ts';
export { fixedWords } from './syntax.ts';
export { Block, ConfigTree, type Line, type Plan, type Step } from './tree.ts';
