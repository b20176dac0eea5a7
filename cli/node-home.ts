/** What lies in the home of a node: its settings, genesis and keys, opened for a command. */
import { access } from 'node:fs/promises'
import { type Genesis, chainId as genesisId } from '../src/contracts/members-formats.ts'
import { EpioneError } from '../src/encoding/errors.ts'
import { unknownEnvironment } from '../src/node/config.ts'
import { readGenesis } from '../src/node/genesis-file.ts'
import { type HomePaths, homePaths } from '../src/node/home.ts'
import { type NodeKeys, openNodeKeystore } from '../src/node/keys.ts'
import type { NodeConfig } from '../src/node/settings.ts'
import type { Context } from './context.ts'
import { homeOf } from './home.ts'
import { readPassphrase } from './passphrase.ts'
import { loadSettings } from './settings.ts'

export async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  )
}

/** The settings and the paths of the home, which must have a node's keys. @throws EpioneError `config-invalid`, `home-missing` */
export async function openHome(context: Context, options: object): Promise<{ config: NodeConfig; paths: HomePaths }> {
  const { config } = await loadSettings(context, options)
  for (const text of unknownEnvironment(context.env)) context.output.warn(text)
  const paths = homePaths(config.home as string)
  if (!(await exists(paths.keystore))) {
    throw new EpioneError('home-missing', `there is no node in ${paths.root}; make one with: epione init --home ${paths.root}`, {
      metadata: { home: paths.root },
    })
  }
  return { config, paths }
}

/** @throws as readPassphrase and openKeystore */
export async function openKeys(context: Context, config: NodeConfig, paths: HomePaths): Promise<NodeKeys> {
  const passphrase = await readPassphrase(context, { of: `the keys of the node ${paths.root}`, configured: config.passphraseFile })
  return await openNodeKeystore(paths.keystore, passphrase)
}

/** The network's genesis. @throws EpioneError `genesis-missing`, `genesis-invalid` */
export async function openGenesis(paths: HomePaths): Promise<Genesis> {
  if (!(await exists(paths.genesis))) {
    throw new EpioneError(
      'genesis-missing',
      `the node in ${paths.root} belongs to no network yet: with the network's genesis document, epione init --home ${paths.root} --genesis <file>`,
      { metadata: { path: paths.genesis } },
    )
  }
  return await readGenesis(paths.genesis)
}

/** Id of the chain of the home's network; null in a home that belongs to none, where a node is taken on its word. */
export async function homeChain(context: Context): Promise<Uint8Array | null> {
  const paths = homePaths(homeOf(context))
  return (await exists(paths.genesis)) ? genesisId(await readGenesis(paths.genesis)) : null
}
