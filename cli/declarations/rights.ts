/** Declarations of the commands by which a patient takes everything along, or has everything erased. */
import { type Command, Option } from 'commander'
import { action, type Host } from '../context.ts'
import { collect, parseCheckpoint, parseDuration, parseId } from '../parse.ts'
import { examples } from './declare.ts'

export function declareRightsCommands(program: Command, host: Host): void {
  const exported = program
    .command('export')
    .summary('take everything along, with proofs')
    .description('Exports of all that a wallet holds: records, documents, consents, disputes, the access log.')
  const make = exported
    .command('create', { isDefault: true })
    .summary('write everything into a folder')
    .description('Reads everything as the owner, which leaves a line in each access log. What broke off goes on with the same command.')
    .requiredOption('--out <folder>', 'where to write; the files are not encrypted')
    .addOption(
      new Option('--folder <id...>', 'only these folders (default: all of the wallet)').argParser(
        (text: string, previous?: readonly string[]) => collect(parseId(text), previous),
      ),
    )
    .action(action(host, async () => (await import('../commands/export.ts')).exportAll))
  examples(make, [['epione export create --out my-records', 'all folders; begin with index.html; without the word create it is the same']])
  const verify = exported
    .command('verify')
    .summary('check an export, without a network')
    .argument('<folder>', 'what `epione export` wrote')
    .option('--genesis <file>', "the network's genesis document, from elsewhere than the export")
    .option('--checkpoint <height:hash>', 'a header that you trust, where genesis is more than 30 days old', parseCheckpoint)
    .action(action(host, async () => (await import('../commands/export-verify.ts')).exportVerify))
  examples(verify, [['epione export verify my-records --genesis genesis.json', 'exit code 7 where something is not what it says']])

  const erase = program
    .command('erase-all')
    .summary('have everything in all folders of the wallet erased for good')
    .description(
      'Shows what goes, asks, orders it on the ledger, and collects the signatures of the custodians. Ends with exit code 5 while one is missing.',
    )
    .option('--yes', 'without a question')
    .option('--wait <duration>', 'how long to wait for the custodians of one folder', parseDuration, 20_000)
    .action(action(host, async () => (await import('../commands/erase-all.ts')).eraseAll))
  examples(erase, [['epione erase-all', 'after a look at what goes, and a question']])
}
