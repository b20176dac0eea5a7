/** Declarations of the commands about who looked at records. */
import { type Command, Option } from 'commander'
import { action, type Host } from '../context.ts'
import { parseCheckpoint, parseId, parseInteger } from '../parse.ts'
import { examples } from './declare.ts'

export function declareAccessCommands(program: Command, host: Host): void {
  const access = program
    .command('access')
    .summary('who opened records')
    .description('Access: the entries that every read leaves on the ledger before it happens.')
  const log = access
    .command('log')
    .summary('who read, when, why and under which consent; checked with its proof')
    .addOption(new Option('--folder <id>', 'the folder').argParser(parseId).makeOptionMandatory())
    .option('--verify', 'check each receipt by line, time and consent, and say what cannot be shown; exit code 7 where one is not covered')
    .option('--records', 'name what was read: reads the titles, and leaves a line of its own')
    .option('--out <file>', 'write the evidence into a file that `epione access verify` checks without a network')
    .option('--fhir <file>', 'write the log as a Bundle of FHIR AuditEvents (IHE BALP)')
    .option('--limit <n>', 'most entries to print, the newest last', parseInteger(1, 100_000), 1000)
    .action(action(host, async () => (await import('../commands/access-log.ts')).accessLog))
  examples(log, [
    ['epione access log --folder 3f0c...', 'every entry, none left out: the proof says so'],
    ['epione access log --folder 3f0c... --verify --records', 'with a check of every receipt, and the names of what was read'],
    ['epione access log --folder 3f0c... --verify --out access.evidence', 'and a file for an auditor'],
  ])
  const verify = access
    .command('verify')
    .summary('check the evidence of an access log, without a network')
    .argument('<file>', 'what `epione access log --out` wrote')
    .option('--genesis <file>', "the network's genesis document (default: the home's)")
    .option('--checkpoint <height:hash>', 'a header that you trust, where genesis is more than 30 days old', parseCheckpoint)
    .action(action(host, async () => (await import('../commands/access-verify.ts')).accessVerify))
  examples(verify, [['epione access verify access.evidence --genesis genesis.json', 'exit code 7 where a receipt is not covered']])
  const watch = access
    .command('watch')
    .summary('be told of every look and every change, as it happens')
    .description('Prints a line for each event of the folders, proven and without a gap, until it is interrupted.')
    .addOption(new Option('--folder <id>', 'one folder (default: all of the wallet)').argParser(parseId))
    .option('--from-event <n>', 'from this event of the folder on (default: from now on)', parseInteger(1, Number.MAX_SAFE_INTEGER))
    .option('--count <n>', 'end after this many events', parseInteger(1, 1_000_000_000))
    .action(action(host, async () => (await import('../commands/access-watch.ts')).accessWatch))
  examples(watch, [
    ['epione access watch', 'all folders of the wallet, from now on'],
    ['epione access watch --folder 3f0c... --from-event 1 --json', 'its whole history, one JSON object a line'],
  ])
}
