/** Declarations of the commands about records, consents and the access log. */
import { type Command, Option } from 'commander'
import { action, type Host } from '../context.ts'
import { collectChoice, parseChoice, parseDuration, parseId, parseInteger, parseMediaType } from '../parse.ts'
import { CLASS_CHOICES, LABEL_CHOICES, PURPOSE_CHOICES, USUAL_PURPOSES } from '../vocabulary.ts'
import { declareConsentCommands } from './consents.ts'
import { examples, requireOneOf } from './declare.ts'

const folder = (): Option => new Option('--folder <id>', 'the folder').argParser(parseId).makeOptionMandatory()
const ownFolder = (): Option => new Option('--folder <id>', "the folder, of one's own wallet").argParser(parseId).conflicts('share')
const share = (): Option => new Option('--share <code>', 'what the patient handed over: as text, as a file, or - for standard input')
const asDelegate = (): Option =>
  new Option('--as-delegate', "the share code is a delegation's: read for the folder's owner, by one's own wallet").conflicts('folder')
const purpose = (): Option =>
  new Option(
    '--purpose <code>',
    `purpose of use (HL7), such as ${USUAL_PURPOSES.join(', ')}; goes into the access log (default TREAT, PATRQT for the owner)`,
  ).argParser(parseChoice(PURPOSE_CHOICES))

export function declareRecordCommands(program: Command, host: Host): void {
  program.commandsGroup('Work with records:')

  const record = program
    .command('record')
    .summary('put, get and list records')
    .description('Records: FHIR R4 resources, Bundles, and files.')
  const put = record
    .command('put')
    .summary('validate, encrypt, disperse and anchor a file')
    .description(
      'Stores a FHIR R4 JSON file (a resource, or a collection or transaction Bundle), or any file with --type. Succeeds when enough custodians signed for it and the anchor is final; with fewer, nothing is anchored.',
    )
    .argument('<file>', 'file to store, or - for standard input')
    .addOption(folder())
    .option('--type <media type>', 'store the file as it is, as this type, without FHIR validation', parseMediaType)
    .addOption(new Option('--class <class>', 'class of a file stored with --type (default document)').choices(CLASS_CHOICES))
    .addOption(new Option('--label <label>', 'only if the folder has this label: a guard against the wrong folder').choices(LABEL_CHOICES))
    .option('--record <id>', 'store as the next version of this record', parseId)
    .option('--record-version <n>', 'number of that version, where this home does not know it', parseInteger(1, 0xffff_ffff))
    .option('--receipt <file>', "keep the custodians' signed receipts in this file (default: receipts/ in the home)")
    .action(action(host, async () => (await import('../commands/record-put.ts')).recordPut))
  examples(put, [
    ['epione record put history.json --folder 3f0c...', 'a Bundle: one version per resource, one anchor'],
    ['epione record put scan.dcm --type application/dicom --class imaging --folder 3f0c...', 'a file'],
    ['epione record put lab.json --record 77ab... --folder 3f0c...', 'a correction: the next version'],
  ])
  const get = record
    .command('get')
    .summary('read records, verified')
    .description(
      'Reads one record, with --submission all that was stored together, as the Bundle that it was, or with --all the newest version of every resource. Leaves an access entry first. A refused read and a folder that does not exist look the same.',
    )
    .argument('[record]', 'id of the record', parseId)
    .addOption(ownFolder())
    .addOption(share())
    .addOption(asDelegate())
    .addOption(new Option('--submission <root>', 'read everything of a submission').argParser(parseId).conflicts(['all', 'recordVersion']))
    .addOption(new Option('--all', 'read the newest version of every resource, as a collection Bundle').conflicts('recordVersion'))
    .option('--record-version <n>', 'this version instead of the newest', parseInteger(1, 0xffff_ffff))
    .addOption(purpose())
    .option('--out <file>', 'write to a file instead of standard output')
    .option(
      '--metrics-file <file>',
      "write how custodians served this home's reads, for Prometheus: node_exporter picks it up as a textfile",
    )
    .action(action(host, async () => (await import('../commands/record-get.ts')).recordGet))
  examples(requireOneOf(get, ['folder', 'share']), [
    ['epione record get 77ab... --folder 3f0c...', 'as the owner'],
    ['epione record get 77ab... --share amina.share --purpose TREAT', 'as a clinician'],
    ['epione record get --all --share child.share --as-delegate', 'as a parent'],
    ['epione record get --submission 5e5e... --folder 3f0c... --out history.json', 'a whole Bundle, byte for byte'],
    ['epione record get --all --share amina.share --out history.json', 'all that may be read'],
  ])
  const verify = record
    .command('verify')
    .summary("check the custodians' receipts of a record put")
    .description(
      "Checks a file of receipts by itself (with the network's genesis document), by what the ledger proves now, and with --folder or --share by asking the custodians. Says what was checked and what was not.",
    )
    .argument('<file>', 'file that record put wrote')
    .option('--offline', 'ask nobody: check by the proofs in the file alone')
    .option('--genesis <file>', "the network's genesis document (default: that of the home)")
    .addOption(
      new Option('--folder <id>', 'ask the custodians too, as the owner of this folder').argParser(parseId).conflicts(['share', 'offline']),
    )
    .addOption(new Option('--share <code>', 'ask the custodians too, as who may read').conflicts('offline'))
    .addOption(purpose())
    .action(action(host, async () => (await import('../commands/record-verify.ts')).recordVerify))
  examples(verify, [
    ['epione record verify ~/.epione/receipts/5e5e....receipts', 'what was signed, and that the ledger has it'],
    ['epione record verify 5e5e....receipts --offline --genesis genesis.json', 'for an auditor, without a network'],
    ['epione record verify 5e5e....receipts --share amina.share', 'and whether the custodians still answer for it; leaves an access entry'],
  ])
  const list = record
    .command('list')
    .summary('what is in a folder')
    .addOption(ownFolder())
    .addOption(share())
    .addOption(asDelegate())
    .addOption(purpose())
    .addOption(new Option('--class <class...>', `only these classes: ${CLASS_CHOICES.join(', ')}`).argParser(collectChoice(CLASS_CHOICES)))
    .option('--titles', 'read the contents too, and describe them')
    .option('--limit <n>', 'most records to print, the newest ones', parseInteger(1, 100_000), 1000)
    .action(action(host, async () => (await import('../commands/record-list.ts')).recordList))
  examples(requireOneOf(list, ['folder', 'share']), [
    ['epione record list --folder 3f0c...', 'id, version, class, date, size, height'],
    ['epione record list --share amina.share --titles', 'and what each is about'],
    ['epione record list --folder 3f0c... --class laboratory --json', 'for programs'],
  ])
  const history = record
    .command('history')
    .summary('the versions of a record')
    .argument('<record>', 'id of the record', parseId)
    .addOption(ownFolder())
    .addOption(share())
    .addOption(asDelegate())
    .addOption(purpose())
    .option('--titles', 'read the contents too, and describe them')
    .action(action(host, async () => (await import('../commands/record-history.ts')).recordHistory))
  examples(requireOneOf(history, ['folder', 'share']), [
    ['epione record history 77ab... --folder 3f0c...', 'who anchored which version when'],
  ])

  const wait = (): Option =>
    new Option('--wait <duration>', 'how long to wait for custodians to sign').argParser(parseDuration).default(20_000, '20s')
  const erase = record
    .command('erase')
    .summary('destroy records at every custodian, for good')
    .description(
      "Orders, as the folder's owner, that versions are destroyed at every custodian, shows what that means, and asks. Custodians destroy fragments and keys and sign for it. Ends with exit code 5 while some have not signed: the order stands, and they do so when they are back.",
    )
    .argument('[record]', 'id of the record', parseId)
    .addOption(folder())
    .addOption(new Option('--submission <root>', 'everything of a submission').argParser(parseId).conflicts(['all', 'recordVersion']))
    .addOption(new Option('--all', 'everything that is in the folder now').conflicts('recordVersion'))
    .option('--record-version <n>', 'this version alone instead of all of the record', parseInteger(1, 0xffff_ffff))
    .option('--yes', 'without a question')
    .addOption(wait())
    .action(action(host, async () => (await import('../commands/record-erase.ts')).recordErase))
  examples(erase, [
    ['epione record erase 77ab... --folder 3f0c...', 'all versions of a record'],
    ['epione record erase --submission 5e5e... --folder 3f0c... --yes', 'all that was stored together, without a question'],
  ])
  const erasure = record
    .command('erasure')
    .summary('how far erasures are: who has signed, who is late')
    .description('Ends with exit code 5 while a custodian has not signed for everything.')
    .addOption(folder())
    .addOption(wait().default(0, 'not at all'))
    .action(action(host, async () => (await import('../commands/record-erasure.ts')).recordErasure))
  examples(erasure, [
    ['epione record erasure --folder 3f0c...', 'orders, receipts, and who is late'],
    ['epione record erasure --folder 3f0c... --json', 'with the signed receipts'],
  ])

  declareConsentCommands(program, host)
}
