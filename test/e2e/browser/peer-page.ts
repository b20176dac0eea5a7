/** A page that is a light peer: a patient's wallet, and the hospital's application that writes into her folder. Bundled and run in a browser. */
import { readAccessLog } from '../../../src/client/access-log.ts'
import { grantConsent } from '../../../src/client/consents.ts'
import { revokeAndAdvance } from '../../../src/client/epochs.ts'
import { createEnrolment, type OwnedFolder, openFolders, RECOVERY_KEYS, scanFolders, type Wallet } from '../../../src/client/folders.ts'
import { follow } from '../../../src/client/follow.ts'
import { listVersions, readVersions } from '../../../src/client/get.ts'
import { useWorker, workerReport } from '../../../src/client/heavy.ts'
import { encodeShare, type Person, personFromSeeds } from '../../../src/client/identity.ts'
import { openKeptValues } from '../../../src/client/indexed-store.ts'
import { createLightPeer, type LightPeer } from '../../../src/client/light-peer.ts'
import { openOutboxStore } from '../../../src/client/outbox-files.ts'
import { askPasskey, createPasskey } from '../../../src/client/passkey.ts'
import { putRecords } from '../../../src/client/put.ts'
import { contentOf } from '../../../src/client/record-object.ts'
import { openOwnSession } from '../../../src/client/session.ts'
import type { Signer } from '../../../src/client/signer.ts'
import { addLock, openVault, sealVault, vaultPasskeys } from '../../../src/client/vault.ts'
import { generateWebCryptoKey, webCryptoSigner } from '../../../src/client/webcrypto-signer.ts'
import { genesisCodec } from '../../../src/contracts/members-formats.ts'
import { recoveryKey, recoveryKeyHash } from '../../../src/crypto/wallet.ts'
import { parseHex, toHex, utf8 } from '../../../src/encoding/bytes.ts'
import { errorCode } from '../../../src/encoding/errors.ts'
import { sha256 } from '../../../src/encoding/hash.ts'

const DAY_MS = 86_400_000

let peer: LightPeer
let wallet: Wallet
let owned: OwnedFolder
let signer: Signer

function bytesOf(hex: string): Uint8Array {
  return parseHex(hex) as Uint8Array
}

/** Content that compresses badly, the same for the same seed and length. */
function attachment(length: number, seed: number): Uint8Array {
  const out = new Uint8Array(length)
  let state = seed
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    out[i] = state >>> 24
  }
  return out
}

/** Longest time for which the page's thread did not answer, in ms. */
let longestMs = 0
new PerformanceObserver(list => {
  for (const { duration } of list.getEntries()) longestMs = Math.max(longestMs, Math.round(duration))
}).observe({ type: 'longtask' })
if (!location.search.includes('own-thread')) useWorker(() => new Worker('/epione-worker.js', { type: 'module' }))

const page = {
  work: (): { offloaded: number; running: boolean; longestMs: number } => ({ ...workerReport(), longestMs }),

  isStrict: ((): boolean => {
    try {
      new Function('return 1')()
      return false
    } catch {
      return WebAssembly.validate(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0))
    }
  })(),

  async connect(input: {
    nodes: string[]
    genesis: string
  }): Promise<{ height: number; ageMs: number; stale: boolean; tookMs: number; members: number }> {
    const startMs = performance.now()
    peer = await createLightPeer({ nodes: input.nodes, genesis: genesisCodec.decode(bytesOf(input.genesis)) })
    const { asOf } = await peer.head()
    const tookMs = performance.now() - startMs
    return { ...asOf, tookMs, members: (await peer.members()).length }
  },

  /** A key that WebCrypto keeps, made and stored as it is; gives its public half. */
  async identity(): Promise<{ publicKey: string; extractable: boolean }> {
    const kept = await openKeptValues('epione')
    await kept.set('identity', await generateWebCryptoKey())
    const pair = (await kept.get('identity')) as CryptoKeyPair
    kept.close()
    signer = await webCryptoSigner(pair)
    return { publicKey: toHex(signer.publicKey), extractable: pair.privateKey.extractable }
  },

  /** The wallet's seed at rest, and back again: under a passphrase, and not under another. */
  async vault(): Promise<{ same: boolean; wrong: string; cleared: boolean }> {
    const kept = await openKeptValues('epione')
    await kept.set('wallet', await sealVault(wallet.seed, { passphrase: 'a long one' }))
    const bytes = (await kept.get('wallet')) as Uint8Array
    const opened = await openVault(bytes, { passphrase: 'a long one' })
    const wrong = await openVault(bytes, { passphrase: 'another' }).then(
      () => 'opened',
      (error: unknown) => errorCode(error),
    )
    await kept.delete('wallet')
    const cleared = (await kept.get('wallet')) === undefined
    kept.close()
    return { same: toHex(opened) === toHex(wallet.seed), wrong, cleared }
  },

  /** The wallet's seed under a passkey of this page's host: opened by the authenticator, and by no other passkey. */
  async passkey(): Promise<{ same: boolean; other: string; ways: number }> {
    const own = await createPasskey({ user: 'My wallet' })
    const sealed = await addLock(await sealVault(wallet.seed, own), own, { passphrase: 'a long one' })
    const opened = await openVault(sealed, await askPasskey(vaultPasskeys(sealed)))
    const another = await createPasskey({ user: 'Another' })
    const other = await openVault(sealed, another).then(
      () => 'opened',
      (error: unknown) => errorCode(error),
    )
    return { same: toHex(opened) === toHex(wallet.seed), other, ways: vaultPasskeys(sealed).length }
  },

  /** Entries of an outbox that a reload finds again. */
  async outbox(): Promise<{ names: readonly string[]; bytes: string; left: readonly string[] }> {
    const first = await openOutboxStore('epione-outbox')
    await first.save('000000000001', Uint8Array.of(1, 2, 3))
    await first.save('000000000002', Uint8Array.of(4))
    await first.close()
    const again = await openOutboxStore('epione-outbox')
    const names = await again.names()
    const bytes = toHex((await again.load('000000000001')) ?? new Uint8Array())
    for (const name of names) await again.remove(name)
    const left = await again.names()
    await again.close()
    return { names, bytes, left }
  },

  /** What is told where the person declines. */
  async declined(): Promise<string> {
    return await createPasskey({ user: 'My wallet' }).then(
      () => 'made',
      (error: unknown) => errorCode(error),
    )
  },

  /** Enrols a new patient, and writes a note and an attachment for her. */
  async write(input: {
    organisation: string
    role: string
    signingSeed: string
    sealingSeed: string
    attachmentBytes: number
  }): Promise<{ folder: string; status: string; sha256: string; enrolMs: number; putMs: number; stored: number }> {
    const startMs = performance.now()
    const seeded = personFromSeeds({
      organisation: bytesOf(input.organisation),
      role: input.role,
      signingSeed: bytesOf(input.signingSeed),
      sealingSeed: bytesOf(input.sealingSeed),
    })
    const person: Person = { ...seeded, signing: signer }
    const seed = crypto.getRandomValues(new Uint8Array(32))
    const recovery = crypto.getRandomValues(new Uint8Array(32))
    wallet = {
      seed,
      recoveryKeyHashes: Array.from({ length: RECOVERY_KEYS }, (_, i) => recoveryKeyHash(recoveryKey(recovery, i).publicKey)),
    }
    const enrolment = createEnrolment(wallet, {
      chainId: peer.chainId,
      organisation: person.organisation,
      firstIndex: 0,
      labels: ['normal'],
    })
    const { folders } = await openFolders(peer, person, enrolment)
    owned = (await scanFolders(peer, wallet)).folders[0] as OwnedFolder
    const enrolled = performance.now()
    const scan = attachment(input.attachmentBytes, 7)
    const note = utf8(JSON.stringify({ resourceType: 'Observation', status: 'final', note: 'well '.repeat(200) }))
    const result = await putRecords(peer, person, folders[0] as NonNullable<(typeof folders)[0]>, [
      { mediaType: 'application/fhir+json', resourceType: 'Observation', class: 'laboratory', content: contentOf(note) },
      { mediaType: 'application/dicom', class: 'imaging', content: contentOf(scan) },
    ])
    return {
      folder: toHex(owned.id),
      status: result.status,
      sha256: toHex(sha256(scan)),
      enrolMs: enrolled - startMs,
      putMs: performance.now() - enrolled,
      stored: result.custodians.filter(({ stored }) => stored).length,
    }
  },

  /** What the owner reads back: media type, length and hash of each version. */
  async read(): Promise<{ mediaType: string; size: number; sha256: string; tookMs: number }[]> {
    const startMs = performance.now()
    const session = await openOwnSession(peer, wallet, owned)
    const { versions } = await listVersions(peer, session)
    const out: { mediaType: string; size: number; sha256: string; tookMs: number }[] = []
    for await (const version of readVersions(peer, session, versions)) {
      const parts: Uint8Array[] = []
      for await (const part of version.content) parts.push(part.slice())
      const bytes = new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer())
      out.push({
        mediaType: version.header.mediaType,
        size: bytes.length,
        sha256: toHex(sha256(bytes)),
        tookMs: performance.now() - startMs,
      })
    }
    return out
  },

  /** Lets somebody read; gives the share code. */
  async share(grantee: {
    organisation: string
    signingKey: string
    sealingKey: string
  }): Promise<{ share: string; consent: string; height: number }> {
    const now = peer.now()
    const { share, consent, committed } = await grantConsent(peer, wallet, owned, {
      sealingKey: bytesOf(grantee.sealingKey),
      note: 'Dr Keller',
      provision: {
        decision: 'permit',
        grantee: { type: 'person', value: { organisation: bytesOf(grantee.organisation), key: bytesOf(grantee.signingKey) } },
        purposes: ['TREAT'],
        classes: [],
        dataPeriod: null,
        authors: [],
        validity: { start: now - 60_000, end: now + DAY_MS },
        exceptions: [],
      },
    })
    return { share: encodeShare(share), consent: toHex(consent), height: committed.height }
  },

  /** Waits for the first event of the folder of this name. */
  async event(name: string): Promise<{ name: string; height: number }> {
    const stop = new AbortController()
    for await (const event of follow(peer, [owned.id], { fromEvent: () => 1, signal: stop.signal })) {
      if (event.name !== name) continue
      stop.abort()
      return { name, height: event.height }
    }
    throw new Error('the events ended')
  },

  async revoke(consent: string): Promise<{ height: number; epoch: number | undefined }> {
    const { committed, epoch } = await revokeAndAdvance(peer, wallet, owned, bytesOf(consent))
    return { height: committed.height, epoch: epoch?.epoch }
  },

  async log(): Promise<{ role: string | undefined; purpose: string | undefined; height: number }[]> {
    const { entries } = await readAccessLog(peer, wallet, owned)
    return entries.map(({ entry, opening }) => ({ role: opening?.role, purpose: opening?.purpose, height: entry.height }))
  },
}

export type PeerPage = typeof page

Object.assign(globalThis, { page })
document.title = 'ready'
