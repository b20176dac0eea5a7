/** Declarations of the commands about a network on this machine. */
import type { Command } from 'commander'
import { action, type Host } from '../context.ts'
import { parseInteger } from '../parse.ts'
import { examples } from './declare.ts'
import { declareTestnetFaults } from './testnet-faults.ts'
import { declareTestnetScenarios } from './testnet-scenarios.ts'

export function declareTestnetCommands(program: Command, host: Host): void {
  program.commandsGroup('Try it on this machine:')

  const testnet = program
    .command('testnet')
    .summary('a whole network on this machine')
    .description('A network of real processes on loopback, under ./.epione-testnet; no Docker, no root.')
  const dir = ['--dir <folder>', 'folder of the network', '.epione-testnet'] as const
  const up = testnet
    .command('up')
    .summary('start a network, or start it again')
    .option(...dir)
    .option('--validators <n>', 'hospitals, each a validator and custodian (default 4)', parseInteger(1, 64))
    .option('--full <n>', 'hospitals that follow and store without voting (default 0)', parseInteger(0, 63))
    .option(
      '--base-port <port>',
      'node i listens at base + 10 i, and for WebSockets at the port after (default 7700)',
      parseInteger(1024, 32_700),
    )
    .option('--seed <n>', 'makes all keys repeatable (default 7)', parseInteger(0, 2 ** 31 - 1))
    .action(action(host, async () => (await import('../commands/testnet-up.ts')).testnetUp))
  examples(up, [
    ['epione testnet up', 'four hospitals in four countries'],
    ['epione testnet up --validators 7 --dir big --base-port 8800', 'seven, beside the first'],
  ])
  const down = testnet
    .command('down')
    .summary('stop a network, also after a crash')
    .option(...dir)
    .option('--clean', 'remove what it made too')
    .action(action(host, async () => (await import('../commands/testnet-down.ts')).testnetDown))
  examples(down, [['epione testnet down --clean', 'nothing is left']])
  const status = testnet
    .command('status')
    .summary('its nodes, their heights and processes')
    .option(...dir)
    .action(action(host, async () => (await import('../commands/testnet-status.ts')).testnetStatus))
  examples(status, [['epione testnet status --json', 'for programs']])
  const watch = testnet
    .command('watch')
    .summary('watch its blocks, nodes, votes and faults, live')
    .description('Shows one value where the nodes agree, and who has which where they differ. A line per block where no terminal shows it.')
    .option(...dir)
    .option('--plain', 'a line per block, also on a terminal')
    .action(action(host, async () => (await import('../commands/testnet-watch.ts')).testnetWatch))
  examples(watch, [
    ['epione testnet watch', 'the network as a whole, until Ctrl-C'],
    ['epione testnet watch --json', 'blocks, acts and findings, an object a line'],
  ])
  const logs = testnet
    .command('logs')
    .summary('what its nodes log')
    .argument('[node]', 'one node, such as node1; all without')
    .option(...dir)
    .option('-f, --follow', 'go on as the logs grow')
    .option('-n, --lines <n>', 'last lines of each node', parseInteger(0, 100_000), 20)
    .action(action(host, async () => (await import('../commands/testnet-logs.ts')).testnetLogs))
  examples(logs, [['epione testnet logs node2 -f', 'one hospital, as it goes']])

  const report = testnet
    .command('report')
    .summary('what was seen, as one page and as JSON')
    .description(
      'Writes report.html, which needs no other file, and report.json: machine, network, seed, what was done, and of a scenario its steps, invariants and latencies.',
    )
    .option(...dir)
    .option('--out <folder>', 'where to (default: report in the folder of the network)')
    .action(action(host, async () => (await import('../commands/testnet-report.ts')).testnetReport))
  examples(report, [['epione testnet report --dir /tmp/epione-churn-x --out .', 'of a scenario that was played there']])

  declareTestnetFaults(testnet, host, dir)
  declareTestnetScenarios(testnet, host)
}
