/** Declarations of the commands by which a lost wallet's folders come back. */
import type { Command } from 'commander'
import { action, type Host } from '../context.ts'
import { collect, parseId, parseInteger } from '../parse.ts'
import { examples } from './declare.ts'

const PHRASE = ['--phrase-file <file>', 'file with the recovery phrase; else standard input or a question'] as const

export function declareRecoveryCommands(program: Command, host: Host): void {
  const recovery = program
    .command('recovery')
    .summary('get the folders of a lost wallet back, or object to somebody who tries')
    .description(
      'The recovery phrase takes the folders of a lost or stolen wallet over: the ledger waits (three days unless the network says otherwise), warns the present owner, who may object once, and then puts the new keys in force. A second recovery waits longer and cannot be stopped.',
    )
  const sheet = recovery
    .command('sheet')
    .summary('a printed sheet with the recovery phrase and kit, with QR codes')
    .requiredOption('--out <file>', 'file to write, as HTML where its name ends so, else as text')
    .option(...PHRASE)
    .action(action(host, async () => (await import('../commands/recovery-sheet.ts')).recoverySheetCommand))
  examples(sheet, [['epione recovery sheet --out sheet.html', 'asks for the recovery phrase; print the file and remove it']])
  const shares = recovery
    .command('shares')
    .summary('share the recovery phrase among guardians')
    .description(
      'Shares the recovery phrase: any `threshold` of the guardians give it back, fewer know nothing. Each share is checked when they are put together: a false one is named.',
    )
    .requiredOption('--threshold <n>', 'how many guardians are needed', parseInteger(2, 16))
    .option('--guardians <n>', 'how many there are; at least as many as are named', parseInteger(2, 16))
    .option('--guardian <name>', 'name of a guardian, for the sheet; may be given several times', collect)
    .option('--card <card>', 'contact card of a guardian (text or file), to which the share is sealed; may be given several times', collect)
    .requiredOption('--out <folder>', 'folder for a file and a sheet for each guardian')
    .option(...PHRASE)
    .action(action(host, async () => (await import('../commands/recovery-shares.ts')).recoveryShares))
  examples(shares, [
    ['epione recovery shares --threshold 3 --guardians 5 --out shares', 'five files and sheets, to be handed over'],
    ['epione recovery shares --threshold 2 --guardian Bela --guardian Cora --card dara.card --out shares', 'one of them sealed'],
  ])
  const open = recovery
    .command('open-share')
    .summary('by a guardian: open a share that was sealed to a contact card')
    .argument('<share>', 'the sealed share: as text, as a file, or - for standard input')
    .requiredOption('--out <file>', 'file for the opened share')
    .action(action(host, async () => (await import('../commands/recovery-open-share.ts')).recoveryOpenShare))
  examples(open, [['epione recovery open-share share-3-of-5.txt --out mine.txt', 'with the keys of --identity']])
  const combine = recovery
    .command('combine')
    .summary('put the shares of enough guardians together')
    .argument('<shares...>', 'shares, each as a file or as text')
    .requiredOption('--out <file>', 'file for the recovery phrase and kit')
    .action(action(host, async () => (await import('../commands/recovery-combine.ts')).recoveryCombine))
  examples(combine, [['epione recovery combine a.txt b.txt c.txt --out phrase.txt', 'names shares that are false']])
  const start = recovery
    .command('start')
    .summary('begin to take the folders of a lost wallet over, into a new wallet')
    .description(
      'Makes a new wallet of new keys, with a new recovery phrase, and starts the recovery of all folders of the lost one, at random moments within an hour. Run again with the same wallet file, phrase and kit, it goes on where it broke off, and starts again what was objected to.',
    )
    .option(...PHRASE)
    .option('--kit <kit>', 'recovery kit, as text or file; not needed where the phrase file has it')
    .option('--sheet <file>', "file for the new wallet's recovery sheet (default: beside the wallet)")
    .option('--now', 'start all folders at once: whoever looks can tell that they belong together')
    .action(action(host, async () => (await import('../commands/recovery-start.ts')).recoveryStart))
  examples(start, [['epione recovery start --wallet new.keystore --phrase-file phrase.txt', 'the phrase that combine wrote']])
  const finish = recovery
    .command('finish')
    .summary('after the wait: put the new keys in force')
    .description(
      'Gives the folders to the new wallet, and each a new key that the lost wallet does not know. Consents and delegations in force go on under it; revoke what is not yours.',
    )
    .option('--now', 'finish all folders at once')
    .action(action(host, async () => (await import('../commands/recovery-finish.ts')).recoveryFinish))
  examples(finish, [['epione recovery finish --wallet new.keystore', 'folders whose wait is not over are left as they are']])
  const status = recovery
    .command('status')
    .summary('whether somebody takes folders of this wallet over, and how its own recovery stands')
    .action(action(host, async () => (await import('../commands/recovery-status.ts')).recoveryStatus))
  examples(status, [['epione recovery status', 'ends with 5 while a recovery of a folder is pending']])
  const watch = recovery
    .command('watch')
    .summary('tell at once when somebody starts to take a folder of this wallet over')
    .action(action(host, async () => (await import('../commands/recovery-watch.ts')).recoveryWatch))
  examples(watch, [['epione recovery watch --json', 'a line for each change, until it is stopped']])
  const veto = recovery
    .command('veto')
    .summary('object to a pending recovery of a folder, which its owner can do once')
    .requiredOption('--folder <id>', 'the folder', parseId)
    .option('--yes', 'do it without a question')
    .action(action(host, async () => (await import('../commands/recovery-veto.ts')).recoveryVeto))
  examples(veto, [['epione recovery veto --folder 3f0c...', 'asks first']])
  const cancel = recovery
    .command('cancel')
    .summary('take pending recoveries back, with the recovery phrase')
    .option(...PHRASE)
    .option('--now', 'all folders at once')
    .action(action(host, async () => (await import('../commands/recovery-cancel.ts')).recoveryCancel))
  examples(cancel, [['epione recovery cancel --phrase-file phrase.txt', 'the folders stay with the wallet that has them']])
}
