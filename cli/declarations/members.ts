/** Declarations of the commands by which members decide who belongs to the network. */
import { type Command, Option } from 'commander'
import { action, type Host } from '../context.ts'
import { collectChoice, parseInteger } from '../parse.ts'
import { examples } from './declare.ts'

/** Keys that a member may renew by itself. */
const OWN_KEYS = ['signing', 'sealing', 'network'] as const

export function declareMemberCommands(program: Command, host: Host): void {
  program.commandsGroup('Decide who belongs to the network:')

  const custodians = program
    .command('custodians')
    .summary('who stores fragments, and how they took the audits; proven complete')
    .description(
      'Custodians: the members that store fragments. Validators challenge them at random and report the sums to the ledger: how often each was asked, how often it missed, and whether it is present or absent. An absent one takes no new fragments until it answers again; it stays a member.',
    )
    .action(action(host, async () => (await import('../commands/custodians.ts')).custodiansList))
  examples(custodians, [
    ['epione custodians', 'of the network of this home'],
    ['epione custodians --json', 'with whole accounts, for programs'],
  ])

  const point = program
    .command('checkpoint')
    .summary('a header that members vouch for, for devices to start from')
    .description(
      'Prints a header of the chain as text, verified from genesis, which the nodes of two organisations at least show each by itself. Devices that were off for longer than thirty days, and new ones that trust who hands it over, start from it instead of genesis. It is public.',
    )
    .option('--height <n>', 'of this height (default: the newest)', parseInteger(1, Number.MAX_SAFE_INTEGER))
    .option('--out <file>', 'write it to a file too')
    .action(action(host, async () => (await import('../commands/checkpoint.ts')).checkpoint))
  examples(point, [
    ['epione checkpoint', 'with the names of the members whose nodes show it'],
    ['epione checkpoint --height 120000 --out lakes.checkpoint', 'an older one, as a file'],
  ])

  const members = program
    .command('members')
    .summary('the organisations of the network, and votes on them')
    .description(
      'Members: the organisations of the network. Validators admit, remove and reweigh them by votes of more than two thirds of the weight within 30 days.',
    )
  const list = members
    .command('list', { isDefault: true })
    .summary('members with weight, consensus key and seat; proven complete')
    .option('--all', 'removed members too')
    .action(action(host, async () => (await import('../commands/members-list.ts')).membersList))
  examples(list, [
    ['epione members list', 'of the network of this home'],
    ['epione members list --all --json', 'with whole keys, for programs'],
  ])
  const proposals = members
    .command('proposals')
    .summary('what is being voted on, and how far it is')
    .option('--all', 'applied and expired ones too')
    .action(action(host, async () => (await import('../commands/members-proposals.ts')).membersProposals))
  examples(proposals, [['epione members proposals', 'who voted for what, and what it lacks']])

  const vote = members
    .command('vote')
    .summary('vote as the organisation of this home')
    .description(
      "Votes with the organisation's account key, which is in the keystore of this home. The first vote opens a proposal. A change of the validators is in force two blocks after the vote that decides it.",
    )
  const series = [
    '--series <n>',
    'number that tells a vote from an earlier one on the same thing (default: found by itself)',
    parseInteger(0, 1e9),
  ] as const
  const admit = vote
    .command('admit')
    .summary('admit an organisation')
    .argument('<file>', 'its organisation.json, as epione init made it')
    .option(...series)
    .action(action(host, async () => (await import('../commands/members-vote.ts')).voteAdmit))
  examples(admit, [['epione members vote admit kisumu.json', 'each validator gives the same file']])
  const remove = vote
    .command('remove')
    .summary('remove a member: it loses its seat, its voice and what it stores')
    .argument('<member>', 'account, the first digits of it, or exact name')
    .option(...series)
    .action(action(host, async () => (await import('../commands/members-vote.ts')).voteRemove))
  examples(remove, [
    ['epione members vote remove "Klinikum Spreebogen"', 'by name'],
    ['epione members vote remove 0a17', 'by account'],
  ])
  const reweigh = vote
    .command('reweigh')
    .summary("change the weight of a validator's vote; 0 takes its seat and leaves it a member")
    .argument('<member>', 'account, the first digits of it, or exact name')
    .requiredOption('--power <n>', 'weight of its vote', parseInteger(0, 1_000_000))
    .option(...series)
    .action(action(host, async () => (await import('../commands/members-vote.ts')).voteReweigh))
  examples(reweigh, [
    ['epione members vote reweigh 0a17 --power 20', 'twice the weight of a founder'],
    ['epione members vote reweigh 0a17 --power 0', 'it follows the chain from then on'],
  ])
  const rotate = members
    .command('rotate-keys')
    .summary("new keys for this home's member, without a vote")
    .description(
      'Makes new keys, brings them onto the ledger by an act that the present signing key and the new keys sign, and puts them into the keystore. What the former keys signed stays checkable, and what was sealed to the former sealing key still opens. The consensus key is not among them: a seat is for the members to vote on. Interrupted, the same command finishes it.',
    )
    .addOption(new Option('--key <name...>', `only these: ${OWN_KEYS.join(', ')} (default all)`).argParser(collectChoice(OWN_KEYS)))
    .action(action(host, async () => (await import('../commands/members-rotate-keys.ts')).membersRotateKeys))
  examples(rotate, [
    ['epione members rotate-keys', 'all three; then start the node anew'],
    ['epione members rotate-keys --key sealing', 'one of them'],
  ])
}
