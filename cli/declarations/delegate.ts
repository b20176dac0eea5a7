/** Declarations of the commands by which somebody acts for a folder's owner. */
import { type Command, Option } from 'commander'
import { action, type Host } from '../context.ts'
import { collectChoice, parseEnd, parseId, parseInstant, parseInteger } from '../parse.ts'
import { CLASS_CHOICES, GROUND_CHOICES, RIGHT_CHOICES } from '../vocabulary.ts'
import { examples } from './declare.ts'

export function declareDelegateCommands(program: Command, host: Host): void {
  const delegate = program
    .command('delegate')
    .summary('let a parent, carer or executor act for you')
    .description(
      "Delegations: somebody with a wallet of their own acts for a folder's owner, within rights and a scope, until a day. What they do is signed by their key and stands in the log as done on the owner's behalf.",
    )
  const folder = (): Option => new Option('--folder <id>', 'the folder').argParser(parseId).makeOptionMandatory()
  const offer = delegate
    .command('offer')
    .summary('by who is to act: keys for the folders of one person, as a file or a QR code')
    .requiredOption('--name <name>', 'how the owner will see you')
    .option('--keys <n>', 'keys in the offer: one for each folder', parseInteger(1, 16), 8)
    .addOption(new Option('--out <file>', 'write the offer to a file').conflicts('qr'))
    .option('--qr', 'show the offer as a QR code in the terminal')
    .action(action(host, async () => (await import('../commands/delegate-offer.ts')).delegateOffer))
  examples(offer, [['epione delegate offer --name "Wanjiru, mother" --out offer.txt', 'a new offer for each person']])
  const grant = delegate
    .command('grant')
    .summary('by the owner: let who made the offer act in a folder; prints a share code')
    .description(
      'The end is rounded up to the first day of a month, so that it tells no birthday. A right to grant goes with the whole folder: --class narrows what may be read and no more.',
    )
    .addOption(folder())
    .requiredOption('--to <offer>', 'the offer: as text, as a file, or - for standard input')
    .addOption(new Option('--ground <ground>', 'why they act').choices(GROUND_CHOICES).makeOptionMandatory())
    .addOption(
      new Option('--right <right...>', `rights: ${RIGHT_CHOICES.join(', ')} (default read)`).argParser(collectChoice(RIGHT_CHOICES)),
    )
    .addOption(new Option('--class <class...>', `only these classes: ${CLASS_CHOICES.join(', ')}`).argParser(collectChoice(CLASS_CHOICES)))
    .option('--from <date>', 'day from which on it holds (default: today), for an executor say', parseInstant)
    .addOption(
      new Option('--until <end>', 'end: a date (of coming of age, say), or a length such as 1y').argParser(parseEnd).makeOptionMandatory(),
    )
    .option('--yes', 'without a question')
    .action(action(host, async () => (await import('../commands/delegate-grant.ts')).delegateGrant))
  examples(grant, [
    ['epione delegate grant --folder 3f0c... --to offer.txt --ground parent --until 2041-05-17', 'read, until the month after'],
    ['epione delegate grant --folder 3f0c... --to offer.txt --ground carer --right read --right grant --until 1y', 'and let others read'],
  ])
  const list = delegate
    .command('list')
    .summary('who acts for you in a folder')
    .addOption(folder())
    .action(action(host, async () => (await import('../commands/delegate-list.ts')).delegateList))
  examples(list, [['epione delegate list --folder 3f0c...', 'with rights, ground and end']])
  const revoke = delegate
    .command('revoke')
    .summary('end a delegation, and what was granted under it')
    .argument('<delegation>', 'id of the delegation', parseId)
    .addOption(folder())
    .action(action(host, async () => (await import('../commands/consent-revoke.ts')).consentRevoke))
  examples(revoke, [['epione delegate revoke 9d21... --folder 3f0c...', 'from then on custodians refuse']])
}
