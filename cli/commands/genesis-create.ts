/** `epione genesis create` */

import { resolve } from 'node:path'
import { EMERGENCY_DEFAULTS } from '../../src/contracts/emergency-formats.ts'
import { type Genesis, chainId as genesisId } from '../../src/contracts/members-formats.ts'
import { toHex, utf8 } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { defaultDictionaries, formatGenesis, parseGenesis } from '../../src/node/genesis-file.ts'
import { readOrganisation } from '../../src/node/organisation-file.ts'
import type { Context } from '../context.ts'
import { exists } from '../node-home.ts'
import { table } from '../output.ts'
import { writePrivateFile } from '../private-file.ts'

export interface GenesisCreateOptions {
  network: string
  out: string
}

/** Faults that records of a network outlive, at most: n = 3f + 1 fragments of a version, within the ledger's limit of 48. */
const MAX_FAULTS = 15

/** The rules of a network between machines. Whoever wants others edits the document before the founders agree on it. */
function parametersFor(custodians: number): Genesis['parameters'] {
  const faults = Math.min(MAX_FAULTS, Math.max(1, Math.floor((custodians - 1) / 3)))
  return {
    n: 3 * faults + 1,
    k: faults + 1,
    heartbeatMs: 30_000,
    proposeTimeoutMs: 3_000,
    voteTimeoutMs: 1_000,
    timeoutGrowthMs: 500,
    sponsorQuota: 100_000,
    folderQuota: 16,
    auditWindowMs: 300_000,
    emergency: EMERGENCY_DEFAULTS,
    recoveryWaitMs: 72 * 3_600_000,
    recoverySecondWaitMs: 14 * 24 * 3_600_000,
    policies: [{ name: 'anywhere', jurisdictions: null }],
    dictionaries: defaultDictionaries(),
  }
}

export async function genesisCreate(context: Context, options: GenesisCreateOptions, files: readonly string[]): Promise<void> {
  const out = resolve(options.out)
  if (await exists(out))
    throw new EpioneError('home-exists', `${out} exists already; name another file with --out`, { metadata: { path: out } })
  const organisations: Genesis['organisations'] = []
  for (const file of files) organisations.push(await readOrganisation(resolve(file)))
  const parameters = parametersFor(organisations.filter(({ capacity }) => capacity > 0).length)
  const genesis: Genesis = { version: 1, network: options.network, time: Date.now(), parameters, organisations }
  const text = formatGenesis(genesis)
  // The document is checked as everybody else will check it.
  parseGenesis(text, 'the genesis of these organisations')
  await writePrivateFile(out, [utf8(text)])
  const chainId = toHex(genesisId(genesis))
  context.output.result(
    { file: out, network: genesis.network, chainId, parameters, organisations: organisations.map(({ name }) => name) },
    () => [
      ...table([
        ['genesis', out],
        ['network', genesis.network],
        ['chain', chainId],
        ['founders', String(organisations.length)],
        ['records', `${parameters.n} fragments each, ${parameters.k} of them give it back`],
      ]),
      '',
      'Give this same file to every founder; each compares the chain id and runs: epione init --genesis <file>',
    ],
  )
}
