/** Declarations of the commands of a patient's wallet and of the hand-over between it and an organisation. */
import { type Command, Option } from 'commander'
import { action, type Host } from '../context.ts'
import { collectChoice, parseId, parseInteger } from '../parse.ts'
import { LABEL_CHOICES } from '../vocabulary.ts'
import { examples } from './declare.ts'

export function declareWalletCommands(program: Command, host: Host): void {
  program.commandsGroup('Hold a wallet:')

  const wallet = program
    .command('wallet')
    .summary("a patient's keys: create, show, restore")
    .description("A patient's keys. The file holds the owner's seed under a passphrase; the recovery seed exists on paper alone.")
  const create = wallet
    .command('create')
    .summary('make a new wallet and print its two phrases, once')
    .description(
      'Makes a new wallet file and prints two phrases of 24 words. The owner phrase restores the wallet; the recovery phrase takes the folders back after a theft, is stored nowhere, and is never shown again. Write down both, and keep them apart.',
    )
    .option('--sheet <file>', 'write a sheet with the recovery phrase, kit and QR codes, to be printed')
    .action(action(host, async () => (await import('../commands/wallet-create.ts')).walletCreate))
  examples(create, [
    ['epione wallet create', 'asks for a passphrase'],
    ['epione wallet create --wallet ./amina.keystore --passphrase-file ./secret', 'without a terminal'],
    ['epione wallet create --sheet sheet.html', 'and a recovery sheet with QR codes'],
  ])
  const show = wallet
    .command('show')
    .summary('what the wallet holds, without its secrets')
    .option('--keys <n>', 'how many owner keys to list', parseInteger(1, 1000), 1)
    .option('--phrase', 'print the owner phrase too: whoever reads it owns the folders')
    .action(action(host, async () => (await import('../commands/wallet-show.ts')).walletShow))
  examples(show, [
    ['epione wallet show', 'file, first owner key, recovery keys left'],
    ['epione wallet show --keys 20 --json', 'the hashes by which the ledger names folders'],
  ])
  const restore = wallet
    .command('restore')
    .summary('make a wallet file from its phrases')
    .description(
      'Makes a wallet file from the owner phrase: of --phrase-file, else of standard input (second line: the recovery phrase, if you have it at hand), else asked for. Without the recovery phrase the wallet works, but opens no new folders.',
    )
    .option('--phrase-file <file>', 'file with the owner phrase')
    .option('--recovery-phrase-file <file>', 'file with the recovery phrase')
    .action(action(host, async () => (await import('../commands/wallet-restore.ts')).walletRestore))
  examples(restore, [
    ['epione wallet restore', 'asks for the phrases and a passphrase'],
    ['epione wallet restore --phrase-file words.txt --wallet ./amina.keystore', 'from a file'],
  ])

  const enroll = program
    .command('enroll')
    .summary('hand keys for new folders from a wallet to an organisation')
    .description(
      'The hand-over between a wallet and an organisation: the wallet offers keys for new folders, the organisation opens the folders.',
    )
  const offer = enroll
    .command('offer')
    .summary('by the wallet: an offer of keys for new folders, as a file or a QR code')
    .requiredOption('--organisation <id>', 'account of the organisation that is to write into the folders', parseId)
    .option('--label <label...>', `labels of the folders, one folder each: ${LABEL_CHOICES.join(', ')}`, collectChoice(LABEL_CHOICES))
    .addOption(new Option('--out <file>', 'write the offer to a file').conflicts('qr'))
    .option('--qr', 'show the offer as a QR code in the terminal')
    .action(action(host, async () => (await import('../commands/enroll-offer.ts')).enrollOffer))
  examples(offer, [
    ['epione enroll offer --organisation 0a17... --qr', 'keys for one folder with the label normal, to be scanned'],
    ['epione enroll offer --organisation 0a17... --label normal mental-health --out offer.txt', 'for two folders'],
  ])
  const list = enroll
    .command('list')
    .summary('by the wallet: the folders that came of its offers')
    .action(action(host, async () => (await import('../commands/enroll-list.ts')).enrollList))
  examples(list, [['epione enroll list', 'ids, labels and organisations of all folders of the wallet']])
  const accept = enroll
    .command('accept')
    .summary('by the organisation: open the folders of an offer')
    .argument('<offer>', 'the offer: as text, as a file, or - for standard input (what a scanner read)')
    .option('--policy <name>', "residency policy, one of the genesis's")
    .option('--now', 'open all folders at once, not each at a time of its own within the hour')
    .action(action(host, async () => (await import('../commands/enroll-accept.ts')).enrollAccept))
  examples(accept, [
    ['epione enroll accept offer.txt', 'opens the folders, and notes them in folders.json of the home'],
    ['epione enroll accept offer.txt --now', 'opens all of them at once, though whoever watches the ledger sees that they belong together'],
    ['epione enroll accept - --policy africa < scan.txt', 'what a scanner read; fragments stay in Africa'],
  ])
}
