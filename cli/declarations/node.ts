/** Declarations of the commands of a node's operator. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { action, type Host } from '../context.ts'
import { parseId, parseInteger, parseJurisdiction, parseRole } from '../parse.ts'
import { ORGANISATION_KINDS } from '../vocabulary.ts'
import { examples, nodeOptions } from './declare.ts'

export function declareNodeCommands(program: Command, host: Host): void {
  program.commandsGroup('Operate a node:')

  const init = program
    .command('init')
    .summary('create keys, settings and a data folder for a node')
    .description(
      'Makes the home of a node: keys under a passphrase, config.yaml, organisation.json (the public half, for the founders of a network or the members of one) and, with --genesis, the network to join and keys for the operator. In a home that waits for its network, --genesis alone joins it. Never overwrites what is there.',
    )
    .option('--name <text>', 'name of the organisation, as others see it; asked for if missing')
    .option('--jurisdiction <country>', 'country whose law holds, by its two letters (ISO 3166-1); asked for if missing', parseJurisdiction)
    .addOption(new Option('--kind <kind>', 'kind of organisation').choices(ORGANISATION_KINDS).default('provider'))
    .addOption(new Option('--no-validator', 'follow the chain without voting'))
    .option('--capacity <weight>', 'share of fragments to store, against that of others; 0 stores none', parseInteger(0, 1_000_000), 100)
    .option('--genesis <file>', 'genesis document of the network to join')
    .option('-y, --yes', 'ask nothing: what is missing is an error')
    .action(action(host, async () => (await import('../commands/init.ts')).init))
  examples(nodeOptions(init), [
    ['epione init --name "Kisumu General" --jurisdiction KE', 'keys, and an organisation.json to hand to the founders'],
    ['epione init --genesis genesis.json', 'joins the network that they founded'],
    ['epione init --name Spreebogen --jurisdiction DE --genesis genesis.json', 'all at once'],
  ])

  const genesis = program
    .command('genesis')
    .summary('found a network')
    .description('Found a network: one document that names the founding organisations and the rules, the same for everybody.')
  const create = genesis
    .command('create')
    .summary('make the genesis document from the organisation.json of each founder')
    .argument('<organisation...>', 'organisation.json of each founder, as epione init made it')
    .requiredOption('--network <name>', 'name of the network: small letters, digits and hyphens', parseNetwork)
    .option('--out <file>', 'file to write', 'genesis.json')
    .action(action(host, async () => (await import('../commands/genesis-create.ts')).genesisCreate))
  examples(create, [
    ['epione genesis create --network lakes kisumu.json spree.json rio.json pune.json', 'four founders: one may fail'],
    ['epione genesis create --network lakes --out lakes.json */organisation.json', 'from folders'],
  ])

  const start = program
    .command('start')
    .summary('run the node until it is stopped')
    .description(
      'Runs the node in the foreground: says where it listens, then, on a terminal, one line per block. Logs go to stderr. Stop it with Ctrl-C; twice ends it at once.',
    )
    .option('--verbose', 'one line per block also where no terminal shows them')
    .option(
      '--vote-despite-lost-log <height>',
      'end the silence of a validator that lost its log: vote from this height on. You answer for it that its key has signed nothing there that it could contradict',
      parseInteger(1, Number.MAX_SAFE_INTEGER),
    )
    .action(action(host, async () => (await import('../commands/start.ts')).start))
  examples(nodeOptions(start), [
    ['epione start', 'with the settings of ~/.epione/config.yaml'],
    ['epione start --home /srv/epione --passphrase-file /run/secrets/epione', 'as a service'],
    ['EPIONE_LOG_LEVEL=debug epione start', 'telling more'],
  ])

  const status = program
    .command('status')
    .summary('how a node and its network are doing, and why they are slow or stand still')
    .option('--watch', 'follow it: in place on a terminal, else a line for each change')
    .option('--check', 'exit with 5 unless the node is synced, has a quorum, and room on its disk: for probes')
    .action(action(host, async () => (await import('../commands/status.ts')).status))
  examples(status, [
    ['epione status', 'of the node of this home'],
    ['epione status --watch', 'until Ctrl-C'],
    ['epione status --check --quiet', 'as a health probe'],
    ['epione status --peer /dns4/node.example/tcp/7700/p2p/12D3... --json', 'of another node, for programs'],
  ])

  const peers = program
    .command('peers')
    .summary('who the node is connected to')
    .action(action(host, async () => (await import('../commands/peers.ts')).peers))
  examples(peers, [
    ['epione peers', 'members and light peers with addresses and delays'],
    ['epione peers --json', 'the same for programs'],
  ])

  const keys = program.command('keys').summary("a node's and a person's keys").description('Keys. Private halves are never printed.')
  const show = keys
    .command('show', { isDefault: true })
    .summary("the node's public keys and ids")
    .action(action(host, async () => (await import('../commands/keys-show.ts')).keysShow))
  examples(show, [
    ['epione keys', 'account, peer id and public keys of the node of this home'],
    ['epione keys show --json', 'for programs'],
  ])
  const createPerson = keys
    .command('create')
    .summary('make keys for a person, such as a clinician')
    .requiredOption('--name <text>', 'name on the contact card; it never goes into the network in the clear')
    .requiredOption('--role <role>', 'role in the organisation, such as physician', parseRole)
    .requiredOption('--organisation <id>', 'account of the organisation that answers for the person', parseId)
    .requiredOption('--chain <id>', 'id of the chain', parseId)
    .action(action(host, async () => (await import('../commands/keys-create.ts')).keysCreate))
  examples(createPerson, [
    ['epione keys create --name "Dr Otieno" --role physician --organisation 0a17... --chain c4a1...', 'prints the card'],
  ])
  const card = keys
    .command('card')
    .summary("a person's contact card: what a patient needs to grant access")
    .option('--qr', 'show it as a QR code too')
    .action(action(host, async () => (await import('../commands/keys-card.ts')).keysCard))
  examples(card, [['epione keys card --identity ./otieno.keystore --qr', 'for a patient to scan']])

  const staff = program
    .command('staff')
    .summary('the people for whom this organisation answers')
    .description('The people for whom the organisation of this home answers: their keys and roles. The node reads changes at once.')
  const add = staff
    .command('add')
    .summary('answer for a person')
    .argument('<card>', 'contact card: as text, as a file, or - for standard input')
    .option('--role <role>', "another role than the card's", parseRole)
    .action(action(host, async () => (await import('../commands/staff.ts')).staffAdd))
  examples(add, [['epione staff add otieno.card', 'under the role that the card names']])
  const remove = staff
    .command('remove')
    .summary('answer for a person no longer')
    .argument('<key>', 'signing key', parseId)
    .action(action(host, async () => (await import('../commands/staff.ts')).staffRemove))
  examples(remove, [['epione staff remove b4b4...', 'the next request of that key is refused']])
  const list = staff
    .command('list')
    .summary('keys and roles')
    .action(action(host, async () => (await import('../commands/staff.ts')).staffList))
  examples(list, [['epione staff list --json', 'for programs']])
}

function parseNetwork(text: string): string {
  if (!/^[a-z0-9-]{1,64}$/.test(text)) throw new InvalidArgumentError('Give small letters, digits and hyphens, at most 64.')
  return text
}
