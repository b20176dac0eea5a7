/** `epione init` */
import { resolve } from 'node:path'
import { type Genesis, chainId as genesisId } from '../../src/contracts/members-formats.ts'
import { equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import type { LoadedConfig } from '../../src/node/config.ts'
import { readGenesis } from '../../src/node/genesis-file.ts'
import { type HomePaths, homePaths } from '../../src/node/home.ts'
import { openNodeKeystore } from '../../src/node/keys.ts'
import { readOrganisation } from '../../src/node/organisation-file.ts'
import { publicKeys } from '../../src/node/public-keys.ts'
import { type NodeConfig, SETTING_NAMES } from '../../src/node/settings.ts'
import { assertNewHome, awaitsGenesis, createHome, joinNetwork, type OrganisationSetup, organisationPath } from '../../src/node/setup.ts'
import type { Context } from '../context.ts'
import { parseJurisdiction } from '../parse.ts'
import { readPassphrase } from '../passphrase.ts'
import { canPrompt, promptText } from '../secrets.ts'
import { loadSettings } from '../settings.ts'
import type { ORGANISATION_KINDS } from '../vocabulary.ts'

export interface InitOptions {
  /** Name of the organisation; asked for where it is missing and a terminal can ask. */
  name?: string
  /** Country, as the name. */
  jurisdiction?: string
  kind: (typeof ORGANISATION_KINDS)[number]
  validator: boolean
  /** Weight of storage; 0 stores nothing. */
  capacity: number
  /** Path of the genesis document. */
  genesis?: string
  /** Asks nothing. */
  yes?: boolean
}

/** What `--json` prints. */
export interface InitResult {
  home: string
  account: string
  peerId: string
  /** Path of the public half, for the network's founders or members. */
  organisation: string
  chainId: string | null
  /** Whether the genesis names this organisation; null without a genesis. */
  founder: boolean | null
}

export async function init(context: Context, options: InitOptions): Promise<void> {
  const loaded = await loadSettings(context, options)
  const paths = homePaths(loaded.config.home as string)
  const genesis = options.genesis === undefined ? null : await readGenesis(resolve(options.genesis))
  const joining = genesis !== null && options.name === undefined && (await awaitsGenesis(paths))
  if (!joining) await assertNewHome(paths)
  const about = joining ? null : await describe(context, options)
  const passphrase = await readPassphrase(context, {
    of: `the keys of the node ${paths.root}`,
    create: !joining,
    configured: loaded.config.passphraseFile,
    ask: options.yes !== true,
  })
  const keys =
    about === null ? await openNodeKeystore(paths.keystore, passphrase) : await createHome(paths, passphrase, about, givenSettings(loaded))
  const organisation = await readOrganisation(organisationPath(paths))
  if (genesis !== null) await joinNetwork(paths, passphrase, keys, genesis, `Registrar of ${organisation.name}`.slice(0, 128))
  const { account, peerId } = publicKeys(keys)
  const founder = genesis?.organisations.some(founding => equalBytes(founding.signingKey, keys.signing.publicKey)) ?? null
  const result: InitResult = {
    home: paths.root,
    account,
    peerId,
    organisation: organisationPath(paths),
    chainId: genesis === null ? null : toHex(genesisId(genesis)),
    founder,
  }
  context.output.result(result, () => [
    `${joining ? 'Joined' : 'Made'} the node of ${organisation.name} (${organisation.jurisdiction}) in ${paths.root}`,
    `  account  ${account}`,
    `  peer id  ${peerId}`,
    '',
    ...nextSteps(paths, loaded.config, peerId, genesis, founder),
  ])
}

/** Settings that were given by flag or environment: they stay in config.yaml. */
function givenSettings({ config, origins }: LoadedConfig): Partial<NodeConfig> {
  const given = SETTING_NAMES.filter(name => name !== 'home' && ['flag', 'env'].includes(origins[name].source))
  return Object.fromEntries(given.map(name => [name, config[name]]))
}

async function describe(context: Context, options: InitOptions): Promise<OrganisationSetup> {
  const { kind, validator, capacity } = options
  const name = options.name ?? (await askFor(context, options, '--name', 'Name of the organisation, as others see it', nameFault))
  const jurisdiction =
    options.jurisdiction ??
    (
      await askFor(context, options, '--jurisdiction', 'Country whose law holds, by its two letters, such as KE', countryFault)
    ).toUpperCase()
  const fault = nameFault(name)
  if (fault !== undefined) throw new EpioneError('invalid-argument', `--name: ${fault}`)
  return { name: name.trim(), jurisdiction, kind, capacity, validator }
}

async function askFor(
  context: Context,
  { yes }: InitOptions,
  flag: string,
  question: string,
  fault: (text: string) => string | undefined,
): Promise<string> {
  if (yes === true || !canPrompt(context)) throw new EpioneError('missing-option', `required option '${flag}' not specified; see --help`)
  return await promptText(context, question, fault)
}

function nameFault(text: string): string | undefined {
  const length = new TextEncoder().encode(text.trim()).length
  return length > 0 && length <= 128 && !/\p{Cc}/u.test(text) ? undefined : 'give a name of at most 128 bytes'
}

function countryFault(text: string): string | undefined {
  try {
    parseJurisdiction(text)
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : 'give two letters'
  }
}

function nextSteps(paths: HomePaths, config: NodeConfig, peerId: string, genesis: Genesis | null, founder: boolean | null): string[] {
  const listen = (config.advertise as readonly string[])[0] ?? (config.listen as readonly string[])[0] ?? ''
  const address = `${listen.replace('/ip4/0.0.0.0/', '/ip4/<your address>/')}/p2p/${peerId}`
  const others =
    (config.bootstrap as readonly string[]).length > 0
      ? []
      : [`Put the addresses of other members' nodes under bootstrap in ${paths.config}.`, `They reach yours at ${address}`]
  if (genesis === null) {
    return [
      'Next:',
      `  1. Send ${organisationPath(paths)} to who founds the network (it holds public keys alone),`,
      `     or found it yourself: epione genesis create --network <name> --out genesis.json ${organisationPath(paths)} ...`,
      `  2. With the genesis document of the network: epione init --home ${paths.root} --genesis genesis.json`,
      ...others.map((line, i) => (i === 0 ? `  3. ${line}` : `     ${line}`)),
    ]
  }
  const membership =
    founder === true
      ? [`It is a founding member of the network ${genesis.network}.`]
      : [
          `The genesis of the network ${genesis.network} does not name this organisation: nodes will not serve it before the members admit it.`,
          `Send them ${organisationPath(paths)}.`,
        ]
  return [...membership, ...others, `Next: epione start --home ${paths.root}`]
}
