/** The genesis document as a file that people can read: JSON, keys and ids in hex. */
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { EMERGENCY_DEFAULTS } from '../contracts/emergency-formats.ts'
import { genesisChanges } from '../contracts/members.ts'
import { type Genesis, genesisCodec, MAX_DICTIONARIES } from '../contracts/members-formats.ts'
import { SEALING_PUBLIC_KEY_LENGTH } from '../crypto/sealing-suites.ts'
import { parseHex, toHex } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { HASH_LENGTH } from '../encoding/hash.ts'
import { DEFAULT_DICTIONARIES } from '../fragments/dictionary/dictionary.ts'
import { MAX_VALIDATORS } from '../ledger/limits.ts'

// The bounds are those of the formats, which check everything again; here they are repeated so that a fault is told by its name.
const hex = (length: number) =>
  z.string().regex(new RegExp(`^[0-9a-f]{${2 * length}}$`), `must be ${2 * length} lower-case hexadecimal digits`)
const integer = (min: number, max: number) => z.int().min(min).max(max)
const jurisdiction = z.string().regex(/^[A-Z]{2}$/, 'must be a country code of two capitals')
const organisation = z.strictObject({
  name: z.string().min(1).max(128),
  jurisdiction,
  kind: z.enum(['provider', 'laboratory', 'payer', 'regulator', 'pharmacy', 'research', 'other']),
  signingKey: hex(32),
  sealingKey: hex(SEALING_PUBLIC_KEY_LENGTH),
  networkKey: hex(32),
  consensusKey: hex(32).nullable(),
  power: integer(0, 1_000_000),
  capacity: integer(0, 1_000_000),
})
export const organisationFileSchema = organisation

const genesisFileSchema = z.strictObject({
  version: z.literal(1),
  network: z.string().regex(/^[a-z0-9-]{1,64}$/, 'must be lower-case letters, digits and hyphens'),
  time: z.string(),
  parameters: z.strictObject({
    n: integer(4, 48),
    k: integer(2, 32),
    heartbeatMs: integer(100, 3_600_000),
    proposeTimeoutMs: integer(10, 600_000),
    voteTimeoutMs: integer(10, 600_000),
    timeoutGrowthMs: integer(1, 600_000),
    sponsorQuota: integer(1, 1_000_000_000),
    folderQuota: integer(1, 1_000),
    auditWindowMs: integer(500, 86_400_000),
    emergency: z
      .strictObject({
        perClinicianDay: integer(1, 64),
        perOrganisationDay: integer(1, 1_000_000),
        reviewMs: integer(1000, 90 * 86_400_000),
        maxOverdue: integer(1, 64),
      })
      .default(EMERGENCY_DEFAULTS),
    recoveryWaitMs: integer(100, 7_776_000_000),
    recoverySecondWaitMs: integer(100, 7_776_000_000),
    policies: z
      .array(
        z.strictObject({
          name: z.string().regex(/^[a-z0-9-]{1,64}$/, 'must be lower-case letters, digits and hyphens'),
          jurisdictions: z.array(jurisdiction).min(1).max(256).nullable(),
        }),
      )
      .min(1)
      .max(64),
    dictionaries: z.array(hex(HASH_LENGTH)).max(MAX_DICTIONARIES),
  }),
  organisations: z.array(organisation).min(1).max(MAX_VALIDATORS),
})

function bytes(value: string): Uint8Array {
  return parseHex(value) as Uint8Array
}

export type OrganisationFile = z.infer<typeof organisation>

export function organisationFromFile(file: OrganisationFile): Genesis['organisations'][number] {
  return {
    ...file,
    signingKey: bytes(file.signingKey),
    sealingKey: bytes(file.sealingKey),
    networkKey: bytes(file.networkKey),
    consensusKey: file.consensusKey === null ? null : bytes(file.consensusKey),
  }
}

export function organisationToFile(value: Genesis['organisations'][number]): OrganisationFile {
  return {
    ...value,
    signingKey: toHex(value.signingKey),
    sealingKey: toHex(value.sealingKey),
    networkKey: toHex(value.networkKey),
    consensusKey: value.consensusKey === null ? null : toHex(value.consensusKey),
  }
}

/** @throws EpioneError `genesis-invalid` with the first fault */
export function parseGenesis(text: string, place = 'the genesis document'): Genesis {
  try {
    const file = genesisFileSchema.parse(JSON.parse(text))
    const time = Date.parse(file.time)
    if (Number.isNaN(time)) throw new Error('time is not a date')
    const parameters = { ...file.parameters, dictionaries: file.parameters.dictionaries.map(bytes) }
    const genesis: Genesis = { ...file, time, parameters, organisations: file.organisations.map(organisationFromFile) }
    genesisCodec.encode(genesis)
    genesisChanges(genesis)
    return genesis
  } catch (error) {
    if (error instanceof EpioneError && error.code === 'genesis-invalid') throw error
    const reason = error instanceof z.ZodError ? z.prettifyError(error) : error instanceof Error ? error.message : 'not readable'
    throw new EpioneError('genesis-invalid', `${place} is not valid: ${reason}`, { cause: error })
  }
}

export function formatGenesis(genesis: Genesis): string {
  const file = {
    ...genesis,
    time: new Date(genesis.time).toISOString(),
    parameters: { ...genesis.parameters, dictionaries: genesis.parameters.dictionaries.map(toHex) },
    organisations: genesis.organisations.map(organisationToFile),
  }
  return `${JSON.stringify(file, null, 2)}\n`
}

/** Compression dictionaries that a new network accepts where its founders do not edit them. */
export function defaultDictionaries(): Uint8Array[] {
  return [...DEFAULT_DICTIONARIES]
}

export async function readGenesis(path: string): Promise<Genesis> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    throw new EpioneError(
      'genesis-missing',
      `There is no genesis document at ${path}; take the network's, or make a network of your own with: epione init`,
      { cause: error },
    )
  }
  return parseGenesis(text, path)
}
