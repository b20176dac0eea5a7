/** Declarations of the commands about emergencies. */
import { type Command, Option } from 'commander'
import { action, type Host } from '../context.ts'
import { parseId } from '../parse.ts'
import { EMERGENCY_REASON_CHOICES } from '../vocabulary.ts'
import { examples, requireOneOf } from './declare.ts'

const folder = (what: string): Option => new Option('--folder <id>', what).argParser(parseId).makeOptionMandatory()

export function declareEmergencyCommands(program: Command, host: Host): void {
  program.commandsGroup('In an emergency:')
  const emergency = program
    .command('emergency')
    .summary('break the glass of an emergency summary; cards, shares, reviews')
    .description(
      "Break-glass: opens a patient's emergency summary without the patient. Its key lies in shares at custodians, who release them on an entry in the ledger; the patient hears of it at once, and another person has to review it.",
    )
  declareForPatients(emergency, host)
  declareForOrganisations(emergency, host)
}

function declareForPatients(emergency: Command, host: Host): void {
  const deposit = emergency
    .command('deposit')
    .summary("by the wallet: leave shares of an emergency summary's key with its custodians")
    .description(
      'Splits the key among the custodians of the folder, so that k of them together open it and fewer know nothing. To be done again where shares are missing; shares of before are worth nothing then. `epione enroll list` does it for new emergency summaries.',
    )
    .addOption(folder('the folder, with the label emergency-summary'))
    .action(action(host, async () => (await import('../commands/emergency-deposit.ts')).emergencyDeposit))
  examples(deposit, [['epione emergency deposit --folder 3f0c...', 'says how many custodians took their share']])
  const status = emergency
    .command('status')
    .summary('by the wallet: which custodians hold their share')
    .description('Asks each custodian. Ends with exit code 5 where a share is missing or the shares are of an older key.')
    .addOption(folder('the folder'))
    .action(action(host, async () => (await import('../commands/emergency-status.ts')).emergencyStatus))
  examples(status, [['epione emergency status --folder 3f0c...', 'one line for each custodian']])
  const withdraw = emergency
    .command('withdraw')
    .summary('by the wallet: let nobody break the glass any more')
    .addOption(folder('the folder'))
    .option('--yes', 'without a question')
    .action(action(host, async () => (await import('../commands/emergency-deposit.ts')).emergencyWithdraw))
  examples(withdraw, [['epione emergency withdraw --folder 3f0c...', 'custodians forget their shares']])
  const card = emergency
    .command('card')
    .summary('what to carry: where the emergency summary is, as text or as a QR code')
    .description(
      'Prints the emergency card: the id of the folder, of the network, and nodes; nothing else. It opens nothing by itself. An organisation that keeps the folder in its book prints it for those who ask it.',
    )
    .addOption(folder('the folder, with the label emergency-summary'))
    .option('--qr', 'show it as a QR code in the terminal too')
    .option('--out <file>', 'write it to a file')
    .action(action(host, async () => (await import('../commands/emergency-card.ts')).emergencyCard))
  examples(card, [['epione emergency card --folder 3f0c... --qr', 'to be printed, and carried']])
  const watch = emergency
    .command('watch')
    .summary('tells of every break-glass of a folder as it happens')
    .description(
      'For the patient by the wallet, for guardians by the emergency card: each break-glass and each closed review, as soon as the ledger has it. Why it was, the patient reads with `epione access log`.',
    )
    .addOption(new Option('--folder <id>', 'the folder, of the own wallet').argParser(parseId).conflicts('card'))
    .addOption(new Option('--card <code>', 'the emergency card: as text, as a file, or - for standard input'))
    .option('--once', 'print what there is, and end')
    .action(action(host, async () => (await import('../commands/emergency-watch.ts')).emergencyWatch))
  examples(requireOneOf(watch, ['folder', 'card']), [
    ['epione emergency watch --card amina.emergency', 'a guardian, until Ctrl-C'],
    ['epione emergency watch --folder 3f0c... --once --json', 'for programs'],
  ])
}

function declareForOrganisations(emergency: Command, host: Host): void {
  const open = emergency
    .command('open')
    .summary('by a clinician: break the glass, and read the emergency summary')
    .description(
      'Says what will be recorded, asks, has the own organisation commit the entry, and reads the summary as a collection Bundle. For people whom their organisation lists in a role for emergencies.',
    )
    .argument('<card>', 'the emergency card: as text, as a file, or - for standard input (what a scanner read)')
    .addOption(
      new Option('--reason <code>', 'why the patient is not asked; the patient reads it')
        .choices(EMERGENCY_REASON_CHOICES)
        .makeOptionMandatory(),
    )
    .addOption(new Option('--purpose <code>', 'purpose of use (HL7)').choices(['BTG', 'ETREAT']).default('BTG'))
    .option('--out <file>', 'write to a file instead of standard output')
    .option('--yes', 'without a question')
    .action(action(host, async () => (await import('../commands/emergency-open.ts')).emergencyOpen))
  examples(open, [
    ['epione emergency open amina.emergency --reason unconscious', 'asks first'],
    ['epione emergency open - --reason life-threatening --yes --out summary.json < scan.txt', 'what a scanner read'],
  ])
  const cases = emergency
    .command('cases')
    .summary('by who reviews: break-glass of the organisation that waits, with who, in which role and why')
    .action(action(host, async () => (await import('../commands/emergency-cases.ts')).emergencyCases))
  examples(cases, [['epione emergency cases', 'for people whom their organisation lists in a role that reviews']])
  const review = emergency
    .command('review')
    .summary('by another person of the organisation: close the review of a break-glass')
    .argument('<entry>', 'its access entry, as `epione emergency cases` prints it', parseId)
    .addOption(new Option('--folder <id>', 'the folder that was opened, where the desk does not know the case any more').argParser(parseId))
    .addOption(new Option('--outcome <outcome>', 'what was found').choices(['justified', 'not-justified']).makeOptionMandatory())
    .option('--comment-file <file>', 'what the patient is to read of it, at most 1000 characters')
    .action(action(host, async () => (await import('../commands/emergency-review.ts')).emergencyReview))
  examples(review, [['epione emergency review 8c1d... --outcome justified', 'for the patient to read']])
  const list = emergency
    .command('list')
    .summary('how often each clinician breaks the glass, and which reviews wait; for everybody')
    .option('--organisation <id>', 'of this organisation alone', parseId)
    .option('--waiting', 'print the reviews that wait, by their entries')
    .action(action(host, async () => (await import('../commands/emergency-list.ts')).emergencyList))
  examples(list, [
    ['epione emergency list', 'today, 30 days, reviews open, overdue and closed'],
    ['epione emergency list --organisation 0a17... --waiting', 'what is due, and when'],
  ])
}
