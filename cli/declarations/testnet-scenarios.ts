/** Declarations of the commands that play scenarios. */
import type { Command } from 'commander'
import { action, type Host } from '../context.ts'
import { parseInteger } from '../parse.ts'
import { examples } from './declare.ts'

const MAX_SEED = 2 ** 31 - 1

export function declareTestnetScenarios(testnet: Command, host: Host): void {
  const run = testnet
    .command('run')
    .summary('play scenarios, and say whether everything held')
    .description(
      'Plays scenarios, each on a network of its own: faults, load and people by its file, with what must hold. Ends with 1 at the first that does not hold, says why, and how to repeat it.',
    )
    .argument('[scenarios...]', 'names, or YAML files')
    .option('--all', 'the whole catalogue')
    .option('--random', 'a scenario that the seed makes up')
    .option('--seed <n>', 'keys, content, whom faults hit, and when', parseInteger(0, MAX_SEED), 1)
    .option('--times <n>', 'so many times, from seeds that follow one another', parseInteger(1, 100), 1)
    .option('--keep', 'leave the network up afterwards')
    .option('--dir <folder>', 'folder of the network (default: a temporary one that is removed where everything held)')
    .option('--base-port <port>', 'as of epione testnet up (default: a free range)', parseInteger(1024, 32_700))
    .option('--print', 'print the scenario as a file, and play nothing')
    .action(action(host, async () => (await import('../commands/testnet-run.ts')).testnetRun))
  examples(run, [
    ['epione testnet run rolling-restart', 'one scenario'],
    ['epione testnet run --all --times 3', 'everything, from three seeds'],
    ['epione testnet run --random --seed 7 --print > mine.yaml', 'a beginning for one of your own'],
  ])
  const scenarios = testnet
    .command('scenarios')
    .summary('what there is to play')
    .action(action(host, async () => (await import('../commands/testnet-scenarios.ts')).testnetScenarios))
  examples(scenarios, [['epione testnet scenarios', 'names and what each is about']])
}
