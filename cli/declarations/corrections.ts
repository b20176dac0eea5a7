/** Declarations of the commands about corrections: disputes, their answers, and notices to those who read. */
import { type Command, Option } from 'commander'
import { action, type Host } from '../context.ts'
import { parseId, parseInteger } from '../parse.ts'
import { examples } from './declare.ts'

const folderOrDelegate = (command: Command, own: string): Command =>
  command
    .addOption(new Option('--folder <id>', 'the folder').argParser(parseId))
    .addOption(new Option('--as-delegate <code>', `the share code of a delegation with the right to dispute: ${own}`).conflicts('folder'))
const folder = (): Option => new Option('--folder <id>', 'the folder').argParser(parseId).makeOptionMandatory()

export function declareCorrectionCommands(program: Command, host: Host): void {
  const dispute = program
    .command('dispute')
    .summary('say that a record is wrong, and answer that')
    .description('Corrections: the patient disputes a version; its author accepts with a new one, or refuses with a reason.')
  const open = folderOrDelegate(
    dispute
      .command('open')
      .summary('by the wallet: say that a version of a record is wrong')
      .argument('<record>', 'id of the record', parseId),
    "dispute on the folder owner's behalf",
  )
    .option('--record-version <n>', 'an older version (default: the newest)', parseInteger(1, 0xffff_ffff))
    .requiredOption('--statement <file>', 'what is wrong, in your words: a text file; the author and whoever may read the version see it')
    .option('--yes', 'without a question')
    .action(action(host, async () => (await import('../commands/dispute-open.ts')).disputeOpen))
  examples(open, [
    ['epione dispute open 77ab... --folder 3f0c... --statement why.txt', 'shows what will be seen by whom, and asks'],
    ['epione dispute open 77ab... --as-delegate child.share --statement why.txt', "for one's child, on its behalf"],
  ])
  const withdraw = folderOrDelegate(
    dispute
      .command('withdraw')
      .summary('by the wallet: take a dispute back')
      .description('The statement goes out with the version no more, and its author is asked no more. What was accepted stays.')
      .argument('<dispute>', 'id of the dispute', parseId),
    'take back what was opened under it',
  )
    .option('--yes', 'without a question')
    .action(action(host, async () => (await import('../commands/dispute-withdraw.ts')).disputeWithdraw))
  examples(withdraw, [['epione dispute withdraw 9c1f... --folder 3f0c...', 'tell those who were noticed: epione dispute notify']])
  const list = dispute
    .command('list')
    .summary('disputes of a folder, with their statements and answers')
    .addOption(folder())
    .option('--as-author', 'as a person of the organisation that wrote into the folder')
    .action(action(host, async () => (await import('../commands/dispute-list.ts')).disputeList))
  examples(list, [
    ['epione dispute list --folder 3f0c...', 'by the wallet: what became of its disputes, and who is late'],
    ['epione dispute list --folder 3f0c... --as-author', 'by the author: what patients say of its records'],
  ])
  const answer = dispute
    .command('answer')
    .summary('by the author: accept with a new version, or refuse with a reason')
    .argument('<dispute>', 'id of the dispute', parseId)
    .addOption(folder())
    .option('--accept <submission>', 'root of the submission that holds the new version: write it first, with epione record put', parseId)
    .option('--refuse <file>', 'a text file with the reason')
    .option('--yes', 'without a question')
    .action(action(host, async () => (await import('../commands/dispute-answer.ts')).disputeAnswer))
  examples(answer, [
    ['epione dispute answer 9c1f... --folder 3f0c... --accept 5e5e...', 'the new version is in that submission'],
    ['epione dispute answer 9c1f... --folder 3f0c... --refuse reason.txt', 'the statement stays with the version, the reason beside it'],
  ])
  const notify = dispute
    .command('notify')
    .summary('by the wallet: tell everybody who read the version')
    .description(
      'Leaves a notice with the organisation of everybody who read the version. Ends with exit code 5 while somebody has not signed that they know.',
    )
    .argument('<dispute>', 'id of the dispute', parseId)
    .addOption(folder())
    .action(action(host, async () => (await import('../commands/dispute-status.ts')).disputeNotify))
  examples(notify, [['epione dispute notify 9c1f... --folder 3f0c...', 'what was left before is not left again']])
  const status = dispute
    .command('status')
    .summary('by the wallet: who read the version, who was told, who signed that they know')
    .argument('<dispute>', 'id of the dispute', parseId)
    .addOption(folder())
    .action(action(host, async () => (await import('../commands/dispute-status.ts')).disputeStatus))
  examples(status, [['epione dispute status 9c1f... --folder 3f0c... --json', 'for programs']])

  const notices = program
    .command('notices')
    .summary('by a reader: notices that what was read is disputed')
    .description('Notices that something which you read is disputed or was corrected. They wait at the node of your organisation.')
  const waiting = notices
    .command('list')
    .summary('notices that wait for your word')
    .action(action(host, async () => (await import('../commands/notices.ts')).noticesList))
  examples(waiting, [['epione notices list', 'with the records that they are about']])
  const acknowledge = notices
    .command('acknowledge')
    .summary('sign that you saw a notice')
    .argument('[notice]', 'id of a notice; all that wait without', parseId)
    .action(action(host, async () => (await import('../commands/notices.ts')).noticesAcknowledge))
  examples(acknowledge, [['epione notices acknowledge', 'the patient sees who signed, and who did not']])
}
