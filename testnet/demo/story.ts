/** The main job, told with true figures: a patient's history is kept, shared, read, revoked, and every look at it is known. */

import { readAccessLog } from '../../src/client/access-log.ts'
import { grantConsent } from '../../src/client/consents.ts'
import { revokeAndAdvance } from '../../src/client/epochs.ts'
import { bundleFromVersions, type FhirVersion, recordsFromFhir } from '../../src/client/fhir-records.ts'
import {
  createEnrolment,
  type FolderAddress,
  type OwnedFolder,
  openFolders,
  RECOVERY_KEYS,
  scanFolders,
  type Wallet,
} from '../../src/client/folders.ts'
import { listVersions, readVersions } from '../../src/client/get.ts'
import { type Person, personFromSeeds, type ShareCode } from '../../src/client/identity.ts'
import { createLightPeer, type LightPeer, type MemberInfo } from '../../src/client/light-peer.ts'
import { type PutResult, putRecords } from '../../src/client/put.ts'
import { openSession, type Session } from '../../src/client/session.ts'
import { randomBytes } from '../../src/crypto/random.ts'
import { recoveryKey, recoveryKeyHash } from '../../src/crypto/wallet.ts'
import { concat, equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { EpioneError, errorCode } from '../../src/encoding/errors.ts'
import type { Testnet } from '../launcher/testnet.ts'
import { generatePatient } from '../population/patient.ts'
import { bytes, ms, type Narrator, short, timed } from './narrator.ts'

const DAY_MS = 24 * 60 * 60 * 1000

/** Positions in the testnet: where the patient is treated, and from where the history is read abroad. */
const HOME = 0
const ABROAD = 1

export interface StoryOptions {
  seed: number
  /** Where the people's secrets come from, 32 bytes for each name; whoever gives them can look for them afterwards. @default fresh ones */
  secret?: (name: string) => Uint8Array
  signal: AbortSignal
}

interface Clinician {
  person: Person
  peer: LightPeer
  name: string
}

/** Tells the whole story on a running testnet; throws where a step does not hold. */
export async function tellStory(net: Testnet, narrator: Narrator, options: StoryOptions): Promise<void> {
  const peers: LightPeer[] = []
  try {
    const author = await clinicianOf(net, HOME, 'Dr Wanjiru', peers, options)
    const abroad = await clinicianOf(net, ABROAD, 'Dr Keller', peers, options)
    const patient = await connect(net, peers, options)
    const wallet = newWallet(options)
    narrator.step('A patient and two clinicians join as light peers; none of them trusts a node')
    const head = await patient.head(options)
    narrator.say(`header of height ${head.header.height} verified from genesis, ${ms(head.asOf.ageMs)} old`)

    const { owned, address } = await enrol(net, narrator, author, patient, wallet, options)
    const { original, put } = await importHistory(narrator, author, address, options)
    await showFragments(narrator, net, put)
    await refusedBefore(narrator, abroad, owned, options)
    const share = await grant(narrator, patient, wallet, owned, abroad, options)
    const { session, custodians } = await readAll(narrator, abroad, share, put, original, options)
    await losingOne(net, narrator, abroad, { share, put, original, custodians }, options)
    await revoke(narrator, patient, wallet, owned, abroad, share, session, options)
    await showLog(narrator, patient, wallet, owned, abroad, share, options)
  } finally {
    await Promise.all(peers.map(async peer => await peer.stop()))
  }
}

async function connect(net: Testnet, peers: LightPeer[], options: StoryOptions, first = 0): Promise<LightPeer> {
  const nodes = [...net.nodes.slice(first), ...net.nodes.slice(0, first)].flatMap(node => node.addresses.slice(0, 1))
  const peer = await createLightPeer({ nodes, genesis: net.genesis, signal: options.signal })
  peers.push(peer)
  return peer
}

async function clinicianOf(net: Testnet, at: number, name: string, peers: LightPeer[], options: StoryOptions): Promise<Clinician> {
  const { secret = fresh } = options
  const [signingSeed, sealingSeed] = [secret(`${name}, signing`), secret(`${name}, sealing`)]
  const node = net.nodes[at]
  if (node === undefined) throw new Error('the testnet lacks a node')
  const person = personFromSeeds({ organisation: node.account, role: 'physician', signingSeed, sealingSeed })
  await net.addStaff(at, { key: toHex(person.signing.publicKey), role: 'physician' })
  return { person, name, peer: await connect(net, peers, options, at) }
}

function fresh(): Uint8Array {
  return randomBytes(32)
}

function newWallet({ secret = fresh }: StoryOptions): Wallet {
  const recoverySeed = secret('recovery')
  return {
    seed: secret('wallet'),
    recoveryKeyHashes: Array.from({ length: RECOVERY_KEYS }, (_, i) => recoveryKeyHash(recoveryKey(recoverySeed, i).publicKey)),
  }
}

async function enrol(
  net: Testnet,
  narrator: Narrator,
  author: Clinician,
  patient: LightPeer,
  wallet: Wallet,
  options: StoryOptions,
): Promise<{ owned: OwnedFolder; address: FolderAddress }> {
  narrator.step(`The patient enrols at ${net.nodes[HOME]?.name}: keys for a folder change hands, no name and no number`)
  const enrolment = createEnrolment(wallet, {
    chainId: patient.chainId,
    organisation: author.person.organisation,
    firstIndex: 0,
    labels: ['normal'],
  })
  const opened = await timed(async () => await openFolders(author.peer, author.person, enrolment, options))
  const address = opened.value.folders[0] as FolderAddress
  narrator.say(`folder ${short(address.id)}… opened at height ${opened.value.committed[0]?.height} in ${ms(opened.ms)}`)
  const found = await timed(async () => await scanFolders(patient, wallet, options))
  const owned = found.value.folders[0]
  narrator.hold(
    owned !== undefined && equalBytes(owned.id, address.id),
    `the wallet finds its folder again from its seed alone (${ms(found.ms)})`,
  )
  return { owned: owned as OwnedFolder, address }
}

async function importHistory(
  narrator: Narrator,
  author: Clinician,
  address: FolderAddress,
  options: StoryOptions,
): Promise<{ original: Uint8Array; put: PutResult }> {
  const { bytes: original } = generatePatient({ seed: options.seed, country: 'KE' })
  narrator.step("The hospital imports the patient's whole history: a FHIR R4 Bundle")
  const read = await timed(async () => await recordsFromFhir(original, { validate: true }))
  const resources = read.value.inputs.filter(input => input.kind !== 'manifest').length
  narrator.say(`${resources} resources, ${bytes(original.length)}, valid by FHIR R4 (${ms(read.ms)} with loading the definitions)`)
  narrator.say(countTypes(read.value.resourceTypes))
  const { value: put, ms: took } = await timed(
    async () => await putRecords(author.peer, author.person, address, read.value.inputs, options),
  )
  narrator.say(
    `sealed, coded 2 of 4, stored and anchored in ${ms(took)}: height ${put.anchored.height}, submission ${short(put.submissionRoot)}…`,
  )
  narrator.hold(resources >= 150, 'the history holds 150 resources or more')
  narrator.hold(put.status === 'written', 'all four custodians signed that they have it on disk')
  return { original, put }
}

function countTypes(types: Readonly<Record<string, number>>): string {
  return Object.entries(types)
    .sort((a, b) => b[1] - a[1])
    .map(([type, count]) => `${count} ${type}`)
    .join(', ')
}

async function showFragments(narrator: Narrator, net: Testnet, put: PutResult): Promise<void> {
  narrator.step("Where the fragments went: any two give the ciphertext back, and without the folder's key that opens nothing")
  for (const custodian of put.custodians) {
    narrator.say(`fragment ${custodian.index}: ${custodian.name}, ${custodian.jurisdiction}, ${bytes(custodian.bytes)}`)
  }
  narrator.say(
    `${bytes(put.size)} of ciphertext became ${bytes(put.custodians.reduce((sum, custodian) => sum + custodian.bytes, 0))} on ${net.nodes.length} disks`,
  )
}

async function refusedBefore(narrator: Narrator, abroad: Clinician, owned: OwnedFolder, options: StoryOptions): Promise<void> {
  narrator.step(`${abroad.name}, abroad, asks without a consent`)
  const real = await attempt(abroad, { version: 1, chainId: abroad.peer.chainId, folder: owned.id, consent: randomBytes(32) }, options)
  const imagined = await attempt(
    abroad,
    { version: 1, chainId: abroad.peer.chainId, folder: randomBytes(32), consent: randomBytes(32) },
    options,
  )
  narrator.say(`her answer: "${real.message}" (${real.code})`)
  narrator.hold(real.code === 'not-found', 'she is refused')
  narrator.hold(real.code === imagined.code && real.message === imagined.message, 'a folder that does not exist gives the very same answer')
}

/** Tries to open a session; gives how it failed. */
async function attempt(clinician: Clinician, share: ShareCode, options: StoryOptions): Promise<{ code: string; message: string }> {
  try {
    await openSession(clinician.peer, clinician.person, share, options)
    return { code: 'ok', message: 'opened' }
  } catch (error) {
    options.signal.throwIfAborted()
    return { code: errorCode(error), message: error instanceof EpioneError ? error.message : String(error) }
  }
}

async function grant(
  narrator: Narrator,
  patient: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  abroad: Clinician,
  options: StoryOptions,
): Promise<ShareCode> {
  narrator.step(`The patient grants ${abroad.name} to read for treatment (TREAT), for 30 days`)
  const now = patient.now()
  const { value, ms: took } = await timed(
    async () =>
      await grantConsent(
        patient,
        wallet,
        owned,
        {
          sealingKey: abroad.person.sealing.publicKey,
          note: abroad.name,
          provision: {
            decision: 'permit',
            grantee: { type: 'person', value: { organisation: abroad.person.organisation, key: abroad.person.signing.publicKey } },
            purposes: ['TREAT'],
            classes: [],
            dataPeriod: null,
            authors: [],
            validity: { start: now - 60_000, end: now + 30 * DAY_MS },
            exceptions: [],
          },
        },
        options,
      ),
  )
  narrator.say(
    `consent ${short(value.consent)}… final at height ${value.committed.height} in ${ms(took)}; the ledger shows neither to whom nor for what`,
  )
  return value.share
}

interface History {
  session: Session
  bundle: Uint8Array
  versions: number
  /** Names of the hospitals whose fragments it was made of. */
  custodians: Set<string>
  failures: string[]
}

async function readHistory(abroad: Clinician, share: ShareCode, put: PutResult, options: StoryOptions): Promise<History> {
  const session = await openSession(abroad.peer, abroad.person, share, options)
  const { versions } = await listVersions(abroad.peer, session, { ...options, submission: put.submissionRoot })
  const custodians = new Set<string>()
  const failures: string[] = []
  const read: FhirVersion[] = []
  const onFailure = (member: MemberInfo, code: string): void => void failures.push(`${member.organisation.name} (${code})`)
  for await (const version of readVersions(abroad.peer, session, versions, { ...options, onFailure })) {
    const parts: Uint8Array[] = []
    for await (const part of version.content) parts.push(part.slice())
    read.push({ leaf: version.listed.leaf, header: version.header, bytes: concat(...parts) })
    for (const member of version.from) custodians.add(member.organisation.name)
  }
  const document = await bundleFromVersions(read, put.versions.length)
  return { session, bundle: document.bytes, versions: read.length, custodians, failures }
}

async function readAll(
  narrator: Narrator,
  abroad: Clinician,
  share: ShareCode,
  put: PutResult,
  original: Uint8Array,
  options: StoryOptions,
): Promise<History> {
  narrator.step(`${abroad.name} reads`)
  const { value, ms: took } = await timed(async () => await readHistory(abroad, share, put, options))
  narrator.say(
    `access entry ${short(value.session.entryId)}… at height ${value.session.committed.height} came first, then ${value.versions} versions from ${[...value.custodians].join(' and ')}: ${ms(took)}`,
  )
  narrator.hold(
    equalBytes(value.bundle, original),
    `the Bundle is byte for byte what the hospital imported (${bytes(value.bundle.length)}), each chunk, key and signature verified`,
  )
  return value
}

async function losingOne(
  net: Testnet,
  narrator: Narrator,
  abroad: Clinician,
  before: { share: ShareCode; put: PutResult; original: Uint8Array; custodians: Set<string> },
  options: StoryOptions,
): Promise<void> {
  const { share, put, original } = before
  // One of those that just served her, and not the hospital that answers for her: she must do without it.
  const lost = net.nodes.findIndex((node, i) => i !== ABROAD && before.custodians.has(node.name))
  narrator.step(`${net.nodes[lost]?.name}, which just served her, is killed (SIGKILL), and ${abroad.name} reads again`)
  await net.kill(lost, 'SIGKILL')
  const { value, ms: took } = await timed(async () => await readHistory(abroad, share, put, options))
  narrator.say(`${value.versions} versions from ${[...value.custodians].join(' and ')}${passedOver(value.failures)}: ${ms(took)}`)
  narrator.hold(equalBytes(value.bundle, original), 'the read still works, with three of four hospitals: the same bytes')
}

async function revoke(
  narrator: Narrator,
  patient: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  abroad: Clinician,
  share: ShareCode,
  session: Session,
  options: StoryOptions,
): Promise<void> {
  narrator.step('The patient revokes; no hospital is asked for leave')
  const { value, ms: took } = await timed(async () => await revokeAndAdvance(patient, wallet, owned, share.consent, options))
  narrator.say(`revoked at height ${value.committed.height} in ${ms(took)}`)
  narrator.hold(
    value.epoch !== undefined,
    `in the same act the folder has a new key, epoch ${value.epoch?.epoch}: hers opens nothing that is written from now on`,
  )
  const again = await attempt(abroad, share, options)
  narrator.hold(again.code === 'not-found', `${abroad.name}'s next read is refused: "${again.message}"`)
  const { versions } = await listVersions(abroad.peer, session, options)
  narrator.hold(versions.length === 0, 'her session from before, still within its half hour, shows her nothing any more')
}

async function showLog(
  narrator: Narrator,
  patient: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  abroad: Clinician,
  share: ShareCode,
  options: StoryOptions,
): Promise<void> {
  narrator.step('The patient reads the access log')
  const { value: log, ms: took } = await timed(async () => await readAccessLog(patient, wallet, owned, options))
  for (const { entry, organisation, opening, releases } of log.entries) {
    const who = opening !== null && equalBytes(opening.reader, abroad.person.signing.publicKey) ? abroad.name : 'unknown'
    const leaves = new Set(
      releases.flatMap(({ receipt }) => (receipt.listed ? [] : receipt.leaves.map(leaf => `${toHex(receipt.submissionRoot)}:${leaf}`))),
    )
    narrator.say(
      `${new Date(entry.time).toISOString()}  ${who}, ${opening?.role}, ${organisation?.organisation.name} (${organisation?.organisation.jurisdiction}); ` +
        `purpose ${opening?.purpose}; ${leaves.size} versions; consent ${entry.consent === null ? 'none' : short(entry.consent)}…; height ${entry.height}`,
    )
  }
  narrator.say(
    `proven complete at height ${log.asOf.height} in ${ms(took)}; silent: ${log.silent.map(({ organisation }) => organisation.name).join(', ') || 'nobody'}`,
  )
  const right = log.entries.every(
    ({ entry, opening }) =>
      opening !== null &&
      equalBytes(opening.reader, abroad.person.signing.publicKey) &&
      opening.purpose === 'TREAT' &&
      entry.consent !== null &&
      equalBytes(entry.consent, share.consent),
  )
  narrator.hold(log.entries.length === 2 && right, 'it shows exactly the two reads that were allowed: who, when, why, under which consent')
  narrator.hold(log.uncovered.length === 0, 'no custodian released anything that the log does not cover')
}

function passedOver(failures: readonly string[]): string {
  return failures.length === 0 ? '' : `, passing over ${failures.join(', ')}`
}
