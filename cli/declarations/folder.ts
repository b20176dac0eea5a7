/** Declarations of the commands that change a folder's keys. */
import { type Command, Option } from 'commander'
import { action, type Host } from '../context.ts'
import { parseId } from '../parse.ts'
import { SUITE_CHOICES } from '../vocabulary.ts'
import { examples } from './declare.ts'

const folder = (): Option => new Option('--folder <id>', "the folder, of one's own wallet").argParser(parseId).makeOptionMandatory()

export function declareFolderCommands(program: Command, host: Host): void {
  const folders = program
    .command('folder')
    .summary("change a folder's keys")
    .description("A folder's keys: the one to which authors seal what they write, and the one that owns it. A change loses nothing.")
  const rotateKey = folders
    .command('rotate-key')
    .summary('a new key for what is written from now on; consents go on, the past stays readable')
    .description(
      'Starts a new epoch of the folder. Every consent in force goes on under the new key, with the same share code. No record is touched: the keys of before are sealed to the new one. A revocation does this by itself.',
    )
    .addOption(folder())
    .addOption(new Option('--suite <name>', 'sealing suite of the new key (default: that of the present one)').choices(SUITE_CHOICES))
    .action(action(host, async () => (await import('../commands/folder-rotate-key.ts')).folderRotateKey))
  examples(rotateKey, [
    ['epione folder rotate-key --folder 3f0c...', 'after a device was lost that had the key'],
    ['epione folder rotate-key --folder 3f0c... --suite ml-kem-1024', 'to another suite'],
  ])
  const rotateOwner = folders
    .command('rotate-owner')
    .summary("the wallet's next key owns the folder from now on")
    .description(
      "Gives the folder to the next unused key of the same wallet. Sealing keys and the label's commitment stay as they are: the authors' addresses and all share codes go on. The wallet finds the folder again from its phrase alone.",
    )
    .addOption(folder())
    .action(action(host, async () => (await import('../commands/folder-rotate-owner.ts')).folderRotateOwner))
  examples(rotateOwner, [['epione folder rotate-owner --folder 3f0c...', 'where one owner key may be known to others']])
}
