// Tokens that go round: readers and writers that were away meanwhile must not take old for new.
import type { Api, Scenario } from './engine.ts';
import { look, type QsbrModules, reader, scenario, twice, update, vectors, writer, type Writer } from './qsbr-world.ts';

/** Periods that go round: with tokens 2^29 apart there are eight, and a writer opens no third while two are open. */
export const SCALE: readonly (readonly [file: string, before: string, after: string])[] = [
  ['qsbr-memory.ts', 'STEP = 2;', 'STEP = 2 ** 29;'],
  ['qsbr-writer.ts', 'WINDOW: number = 2 ** 24 * STEP', 'WINDOW: number = 2 * STEP'],
];

/** False where too many periods are open. */
function started(one: Writer): boolean {
  try {
    one.start();
  } catch (error) {
    if (!/has not answered/.test((error as Error).message)) throw error;
    return false;
  }
  return true;
}

export function wrapScenarios(modules: QsbrModules): Scenario[] {
  const scenarios: Scenario[] = [];
  const others = (periods: number) =>
    writer(
      modules,
      () => {},
      (api, one) => {
        for (let i = 0; i < periods; i++) {
          const token = one.start();
          api.equal(Number(one.passed(token)), 1, 'nobody reads');
        }
      },
    );
  const replace = (before: (api: Api, writer: Writer) => void) =>
    writer(
      modules,
      (api, here, one) => {
        update(api, here, one, 1);
        twice(one);
      },
      before,
    );
  for (let periods = 2; periods <= 9; periods++) {
    for (const settled of [true, false]) {
      scenarios.push(
        scenario(`a writer ${settled ? 'at rest' : 'with a period open'} while others open ${periods}`, modules, 1, [
          replace((_, one) => {
            const token = one.start();
            if (settled) one.passed(token);
          }),
          others(periods),
          reader(
            modules,
            0,
            (api, here, one) => {
              look(api, here);
              one.quiescent();
              look(api, here);
            },
            true,
          ),
        ]),
      );
    }
  }
  for (let periods = 1; periods <= 5; periods++) {
    scenarios.push(
      scenario(`a reader comes online while ${periods} periods pass`, modules, 1, [
        reader(modules, 0, vectors),
        writer(modules, (api, here, one) => {
          for (let i = 0; i < periods; i++) if (!one.passed(one.start())) return;
          update(api, here, one, 1);
          twice(one);
        }),
      ]),
    );
  }
  scenarios.push(
    scenario('a reader that does not answer', modules, 1, [
      reader(modules, 0, (api, here) => look(api, here), true),
      writer(modules, (api, here, one) => {
        update(api, here, one, 1);
        let refused = 0;
        for (let i = 0; i < 12; i++) {
          refused += Number(!started(one));
        }
        api.equal(refused, 11, 'refused');
        api.equal(one.reclaim(), 0, 'freed');
      }),
    ]),
    scenario('a reader that does not answer, and two writers', modules, 1, [
      reader(modules, 0, (api, here) => look(api, here), true),
      writer(modules, (api, here, one) => {
        update(api, here, one, 1);
        for (let i = 0; i < 3; i++) started(one);
        api.equal(one.reclaim(), 0, 'freed');
      }),
      writer(modules, (_, __, one) => void started(one)),
    ]),
  );
  return scenarios;
}
