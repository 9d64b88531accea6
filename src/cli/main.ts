// `grevy COMMAND …`: says which program runs. Each is loaded only when it is asked for, so that `grevy sh -c` starts fast.
import { version } from './version.ts';

const USAGE = `Usage: grevy COMMAND [OPTIONS]

  run -c FILE [--run-dir DIR] [-z ZSERV_SOCKET]   run the daemon in the foreground
      [-r, --retain]                              leave the routes in the kernel at the end
      [-K, --graceful-restart SECONDS]            routes found at the start wait this long to be announced again (60)
      [-s, --nl-bufsize BYTES]                    receive buffer for the kernel's notifications (67108864)
      [-n, --vrfwnetns]                           each named network namespace is a VRF, rather than devices
      [--no-rehearsal]                            saves a second of CPU at the start; the first full table takes longer
      [--record FILE]                             everything that bgp is told, for replay
      [--graph-workers N]                         threads of the graph that ngctl speaks to (1)
  sh [--run-dir DIR] [-c COMMAND]...              talk to a running daemon; without -c: a shell
  check -c FILE                                   read a configuration and say what is wrong with it
  replay FILE [-c COMMAND]...                     have a recorded run of bgp again, and ask about its end
      [--answers] [--until SECONDS]               what was asked and logged then; stop before the end
  ngctl [-d] [-f FILE] [-n NAME] [COMMAND ...]    speak to the graph of a running daemon as ngctl(8) does; without
      [--run-dir DIR | --standalone]              COMMAND: a shell; standalone: with a graph of its own
  nghook [-adlnsS] [-m MSG] PATH [HOOK]           packets of a hook from standard input and to standard output
      [-e] [--run-dir DIR | --standalone]         -e: of a program, PATH HOOK PROGRAM [ARGUMENT ...]
  flowctl NODE show [ipv4 | ipv6] [verbose | human]
      [--run-dir DIR | --standalone]              the flows that a netflow node counts, as flowctl(8) has them
  demo [--once] [--routes N]                      a small network in namespaces of its own
  help, --help                                    this text
  --version                                       which version this is

The run directory is /run/grevy unless told; several daemons live side by side in several run directories.
`;

type Program = (argv: readonly string[]) => Promise<number>;

const PROGRAMS: Readonly<Record<string, () => Promise<Program>>> = {
  run: async () => (await import('./run.ts')).run,
  sh: async () => (await import('./sh.ts')).sh,
  check: async () => (await import('./check.ts')).check,
  replay: async () => (await import('./replay.ts')).replay,
  ngctl: async () => (await import('./ngctl.ts')).ngctl,
  nghook: async () => (await import('./ngctl.ts')).nghook,
  flowctl: async () => (await import('./ngctl.ts')).flowctl,
  demo: async () => (await import('./demo/demo.ts')).demo,
};

async function main(argv: readonly string[]): Promise<number> {
  const [name, ...rest] = argv;
  if (name === 'help' || name === '--help' || name === '-h') {
    process.stdout.write(USAGE);
    return 0;
  }
  if (name === '--version' || name === '-V') {
    process.stdout.write(`grevy ${version()}\n`);
    return 0;
  }
  const load = name !== undefined && Object.hasOwn(PROGRAMS, name) ? PROGRAMS[name] : undefined;
  if (!load) {
    process.stderr.write(name === undefined ? USAGE : `grevy: there is no command '${name}'\n\n${USAGE}`);
    return 2;
  }
  if (rest.includes('--help') || rest.includes('-h')) {
    process.stdout.write(USAGE);
    return 0;
  }
  try {
    return await (await load())(rest);
  } catch (error) {
    // parseArgs' own words name the option; a stack would only hide them.
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (!code.startsWith('ERR_PARSE_ARGS')) throw error;
    process.stderr.write(`grevy ${name}: ${(error as Error).message}\n`);
    return 2;
  }
}

// Not process.exit(): what was written to a pipe must be written whole.
process.exitCode = await main(process.argv.slice(2));
