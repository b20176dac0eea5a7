/** Declarations of the commands about consents and sharing decisions. */
import { type Command, Option } from 'commander'
import { action, type Host } from '../context.ts'
import { collect, collectChoice, parseDuration, parseEnd, parseId, parseInstant, parseRole } from '../parse.ts'
import { CLASS_CHOICES, LABEL_CHOICES, PURPOSE_CHOICES, USUAL_PURPOSES } from '../vocabulary.ts'
import { examples, requireOneOf } from './declare.ts'

const folder = (): Option => new Option('--folder <id>', 'the folder').argParser(parseId).makeOptionMandatory()

const spread = (): Option =>
  new Option(
    '--spread <duration>',
    "wait up to so long before each further folder, so that the ledger tells less that they are one person's",
  ).argParser(parseDuration)

/** What `grant` and `preview` ask in the same words. */
function withSharingOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--folder <id>', 'this folder alone, whatever its label (default: folders by their labels)')
        .argParser(parseId)
        .conflicts(['label', 'exceptLabel']),
    )
    .addOption(
      new Option('--label <label...>', `folders with these labels: ${LABEL_CHOICES.join(', ')} (default: normal, emergency-summary)`)
        .argParser(collectChoice(LABEL_CHOICES))
        .conflicts('exceptLabel'),
    )
    .addOption(new Option('--except-label <label...>', 'all folders but those with these labels').argParser(collectChoice(LABEL_CHOICES)))
    .addOption(new Option('--to <card>', "a person's contact card: as text, or as a file").conflicts(['organisation', 'role']))
    .option('--organisation <id>', 'account of an organisation', parseId)
    .option('--role <role>', 'only its people in this role', parseRole)
    .addOption(
      new Option(
        '--purpose <code...>',
        `purposes of use (HL7), such as ${USUAL_PURPOSES.join(', ')}; each includes its kinds (default TREAT)`,
      ).argParser(collectChoice(PURPOSE_CHOICES)),
    )
    .addOption(new Option('--class <class...>', `only these classes: ${CLASS_CHOICES.join(', ')}`).argParser(collectChoice(CLASS_CHOICES)))
    .addOption(new Option('--except-class <class...>', 'all but these classes').argParser(collectChoice(CLASS_CHOICES)))
    .addOption(
      new Option('--author <id...>', 'only what these organisations wrote').argParser((text: string, previous?: readonly string[]) =>
        collect(parseId(text), previous),
      ),
    )
    .option('--from <date>', 'start of the consent (default: now)', parseInstant)
    .addOption(
      new Option('--until <end>', 'end of the consent: a date, or a length such as 30d (default 30d)').argParser(parseEnd).conflicts('for'),
    )
    .addOption(new Option('--for <duration>', 'length of the consent, as with --until').argParser(parseDuration))
    .option('--data-from <date>', 'only records about what happened from then on', parseInstant)
    .option('--data-until <date>', 'only records about what happened before', parseInstant)
    .option('--note <text>', "what to remember of it, such as a name; for the owner alone (default: the card's name)")
}

export function declareConsentCommands(program: Command, host: Host): void {
  const consents = program
    .command('consent')
    .summary('grant, revoke and list consents')
    .description('Consents: who may read what, for which purpose, until when.')
  const preview = withSharingOptions(
    consents
      .command('preview')
      .summary('what somebody would see, before anything is granted')
      .description(
        'Counts, by the decision that custodians make, what a grant with the same options would show of what is there now. Grants nothing; leaves a line of your own in the access log of each folder that would be shared.',
      ),
  ).action(action(host, async () => (await import('../commands/consent-preview.ts')).consentPreview))
  examples(requireOneOf(preview, ['to', 'organisation']), [
    [
      'epione consent preview --to otieno.card --except-label mental-health',
      '"will see: 12 laboratory results, 3 letters; not: mental health"',
    ],
  ])
  const grant = withSharingOptions(
    consents
      .command('grant')
      .summary('let somebody read')
      .description(
        'Shares folders with a person, a role at an organisation, or an organisation: one consent on each folder, kept together as one decision, and one share code for all. Says what will be seen and asks before anything is signed. A folder that is not chosen gets no consent: nothing says that it is there.',
      ),
  )
    .addOption(
      new Option(
        '--as-delegate <code>',
        "share code of a delegation under which you grant for a folder's owner: one consent on that folder",
      ).conflicts(['folder', 'label', 'exceptLabel', 'resume', 'spread']),
    )
    .option('--qr', 'show the share code as a QR code in the terminal too')
    .option('--resume <sharing>', 'go on with a decision that was granted in part')
    .addOption(spread())
    .option('--yes', 'without the preview and without a question')
    .action(action(host, async () => (await import('../commands/consent-grant.ts')).consentGrant))
  examples(requireOneOf(grant, ['to', 'organisation']), [
    ['epione consent grant --to otieno.card --except-label mental-health', 'a clinician, to treat, for a month; prints the share code'],
    ['epione consent grant --folder 3f0c... --to otieno.card --for 7d', 'one folder alone'],
    ['epione consent grant --organisation 0a17... --role cardiologist --except-class social-history', 'a role'],
    ['epione consent grant --as-delegate child.share --to otieno.card --for 7d', "for one's child, on its behalf"],
  ])
  const exported = consents
    .command('export')
    .summary('a sharing decision as a FHIR R4 Consent')
    .description(
      "Writes a sharing decision as FHIR R4 Consent, in the shape of IHE's Privacy Consent on FHIR where it fits; what FHIR cannot express is refused by its name. Says nothing of who the patient is unless told.",
    )
    .argument('<sharing>', 'id of the decision')
    .option('--patient <reference>', 'how the reader knows the patient, such as Patient/17')
    .option('--out <file>', 'write to a file instead of standard output')
    .action(action(host, async () => (await import('../commands/consent-export.ts')).consentExport))
  examples(exported, [['epione consent export 5be0... --patient Patient/17 --out consent.json', 'for a system that speaks FHIR']])
  const imported = consents
    .command('import')
    .summary('grant what a FHIR R4 Consent says')
    .description(
      'Reads a FHIR R4 Consent (PCF basic, intermediate or advanced) and grants it on your folders, after a preview and a question. What cannot be expressed is refused, and the element named. --to, --organisation and --until only narrow what the document says.',
    )
    .argument('<file>', 'the resource, as JSON')
    .addOption(
      new Option('--actor <reference=who...>', 'who a reference of the document is: a contact card, an account, or account/role').argParser(
        collect,
      ),
    )
    .addOption(
      new Option('--policy <uri...>', 'a policy that you have read, and that adds nothing to what the provisions say').argParser(collect),
    )
    .addOption(new Option('--to <card>', 'whom a consent for everybody is for: a contact card').conflicts(['organisation', 'role']))
    .option('--organisation <id>', 'the same: account of an organisation', parseId)
    .option('--role <role>', 'only its people in this role', parseRole)
    .addOption(new Option('--until <end>', 'an earlier end: a date, or a length such as 30d').argParser(parseEnd))
    .option('--note <text>', "what to remember of it; for the owner alone (default: the card's name)")
    .option('--qr', 'show the share codes as QR codes in the terminal too')
    .option('--resume <sharing>', 'go on with a decision that was granted in part')
    .addOption(spread())
    .option('--yes', 'without the preview and without a question')
    .action(action(host, async () => (await import('../commands/consent-import.ts')).consentImport))
  examples(imported, [
    ['epione consent import consent.json --actor Practitioner/9=amina.card --policy https://example.org/policy', 'from another system'],
    ['epione consent import consent.json --to amina.card --until 30d', 'narrowed to one person and to a month'],
  ])
  const revoke = consents
    .command('revoke')
    .summary('take a consent back; binds every custodian within 75 s')
    .description(
      'Takes a consent back and gives the folder a new key, in one act: reads under the consent are refused, and what is written from then on is sealed to a key that its reader never had. The other consents go on with their share codes.',
    )
    .argument('<consent>', 'id of the consent', parseId)
    .addOption(folder())
    .option('--keep-key', "only end the consent, and leave the folder's key as it is")
    .action(action(host, async () => (await import('../commands/consent-revoke.ts')).consentRevoke))
  examples(revoke, [
    ['epione consent revoke 9d21... --folder 3f0c...', 'from then on reads under it are refused'],
    ['epione consent revoke 9d21... --folder 3f0c... --keep-key', 'several in a row; end with epione folder rotate-key'],
  ])
  const listConsents = consents
    .command('list')
    .summary('the consents of a folder, with their state')
    .addOption(folder())
    .option('--all', 'revoked and expired ones too')
    .action(action(host, async () => (await import('../commands/consent-list.ts')).consentList))
  examples(listConsents, [['epione consent list --folder 3f0c... --all --json', 'the whole history, for programs']])

  const sharing = program
    .command('sharing')
    .summary('list and revoke sharing decisions')
    .description('Sharing decisions: what was granted at once, over all folders.')
  const listSharings = sharing
    .command('list')
    .summary('what is shared with whom')
    .option('--all', 'revoked and expired ones too')
    .action(action(host, async () => (await import('../commands/sharing-list.ts')).sharingList))
  examples(listSharings, [['epione sharing list', 'each decision in words, with its id']])
  const revokeSharing = sharing
    .command('revoke')
    .summary('take a decision back: all its consents')
    .argument('<sharing>', 'id of the decision')
    .action(action(host, async () => (await import('../commands/sharing-revoke.ts')).sharingRevoke))
  examples(revokeSharing, [['epione sharing revoke 5be0...', 'in every folder; the same command again where one failed']])
}
