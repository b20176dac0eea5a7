/** Makes the home of a new node, and joins it to a network. */
import { access, mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { chainId, type Genesis, type Organisation } from '../contracts/members-formats.ts'
import { randomBytes } from '../crypto/random.ts'
import { signingKeyFromSeed } from '../crypto/signature.ts'
import { toHex } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { configTemplate } from './config.ts'
import { formatGenesis } from './genesis-file.ts'
import type { HomePaths } from './home.ts'
import { createIdentityKeystore } from './identity-file.ts'
import { createNodeKeystore, type NodeKeys, newNodeSecrets } from './keys.ts'
import { formatOrganisation } from './organisation-file.ts'
import { organisationOf } from './public-keys.ts'
import type { NodeConfig } from './settings.ts'
import { readStaff, writeStaff } from './staff.ts'

/** Weight of a vote with which validators found a network; founders who want others agree on them in the genesis. */
const FOUNDING_POWER = 10
/** Role of whoever operates the node: may write records at the node's home. */
const OPERATOR_ROLE = 'registrar'

export interface OrganisationSetup extends Pick<Organisation, 'name' | 'jurisdiction' | 'kind' | 'capacity'> {
  validator: boolean
}

/** Where the public half of a home's organisation is. */
export function organisationPath(paths: HomePaths): string {
  return join(paths.root, 'organisation.json')
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  )
}

/** Refuses a folder in which a node was made before. @throws EpioneError `home-exists` */
export async function assertNewHome(paths: HomePaths): Promise<void> {
  for (const path of [paths.keystore, paths.config, paths.genesis, paths.identity, paths.staff, organisationPath(paths)]) {
    if (!(await exists(path))) continue
    throw new EpioneError('home-exists', `${path} exists already and is never overwritten; choose another folder with --home`, {
      metadata: { path },
    })
  }
}

/** Whether a node was made here that belongs to no network yet. */
export async function awaitsGenesis(paths: HomePaths): Promise<boolean> {
  return (await exists(paths.keystore)) && !(await exists(paths.genesis))
}

async function writeNew(path: string, text: string, mode: number): Promise<void> {
  const handle = await open(path, 'wx', mode)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Runs steps that each make a file; after a failure none of them is left, so that the command can be given again. */
async function allOrNone(steps: readonly (readonly [path: string, write: () => Promise<void>])[]): Promise<void> {
  const made: string[] = []
  try {
    for (const [path, write] of steps) {
      await write()
      made.push(path)
    }
  } catch (error) {
    for (const path of made) await rm(path, { force: true })
    throw error
  }
}

/** Makes keys, settings and the public half. @param settings what config.yaml sets; the rest stands there as comments */
export async function createHome(
  paths: HomePaths,
  passphrase: string,
  about: OrganisationSetup,
  settings: Partial<NodeConfig>,
): Promise<NodeKeys> {
  await assertNewHome(paths)
  await mkdir(paths.root, { recursive: true, mode: 0o700 })
  const { validator, ...rest } = about
  const secrets = newNodeSecrets()
  let keys: NodeKeys | undefined
  await allOrNone([
    [
      paths.keystore,
      async () => {
        keys = await createNodeKeystore(paths.keystore, passphrase, secrets)
      },
    ],
    [paths.config, async () => await writeNew(paths.config, configTemplate(settings), 0o600)],
    [
      organisationPath(paths),
      async () => {
        const organisation = organisationOf(keys!, { ...rest, power: validator ? FOUNDING_POWER : 0 })
        await writeNew(organisationPath(paths), formatOrganisation(organisation), 0o644)
      },
    ],
  ])
  return keys!
}

/** Gives a home its network: the genesis, and keys of the operator as a person whom the organisation vouches for. */
export async function joinNetwork(paths: HomePaths, passphrase: string, keys: NodeKeys, genesis: Genesis, operator: string): Promise<void> {
  const [signingSeed, sealingSeed] = [randomBytes(32), randomBytes(32)]
  const person = { key: toHex(signingKeyFromSeed(signingSeed).publicKey), role: OPERATOR_ROLE }
  const identity = { name: operator, role: OPERATOR_ROLE, organisation: keys.account, chainId: chainId(genesis), signingSeed, sealingSeed }
  await allOrNone([
    ...((await exists(paths.identity))
      ? []
      : [
          [paths.identity, async () => await createIdentityKeystore(paths.identity, passphrase, identity)] as const,
          [paths.staff, async () => await writeStaff(paths.staff, [...(await readStaff(paths.staff)), person])] as const,
        ]),
    // Last: with it the home is complete.
    [paths.genesis, async () => await writeNew(paths.genesis, formatGenesis(genesis), 0o644)],
  ])
}
