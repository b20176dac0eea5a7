/** What reads bytes of others and is no codec by itself: decoders in steps, checks of proofs and signatures, files on disk. */

import { decodeEvidence, encodeEvidence } from '../../src/client/access-evidence.ts'
import { fromBase64Url, toBase64Url } from '../../src/client/base64url.ts'
import { decodeCheckpoint, encodeCheckpoint } from '../../src/client/checkpoint.ts'
import { DELEGATE_OFFER, decodeDelegateOffer, encodeDelegateOffer } from '../../src/client/delegation.ts'
import { decodeEmergencyCard, encodeEmergencyCard } from '../../src/client/emergency.ts'
import { decodeEnrolment, encodeEnrolment } from '../../src/client/folders.ts'
import { decodeShareText, SHARE } from '../../src/client/guardians.ts'
import { decodeHandOver, encodeHandOver } from '../../src/client/hand-over.ts'
import { decodeCard, decodeShare, decodeShares, encodeCard, encodeShare, encodeShares } from '../../src/client/identity.ts'
import { answerPairing, openPairing, pairingRequest } from '../../src/client/pairing.ts'
import { decodeReceipts, encodeReceipts } from '../../src/client/receipt-set.ts'
import { encodeKit, KIT, openKit } from '../../src/client/recovery-kit.ts'
import { sealVault, vaultPasskeys } from '../../src/client/vault.ts'
import { SigningGuard } from '../../src/consensus/guard.ts'
import { walEntryCodec } from '../../src/consensus/inputs.ts'
import { WriteAheadLog } from '../../src/consensus/wal.ts'
import { decodeEventData, type EventName } from '../../src/contracts/events.ts'
import { anchorBodyCodec } from '../../src/contracts/records-formats.ts'
import { sealingKeyFromSeed } from '../../src/crypto/sealing.ts'
import { signingKeyFromSeed, verifySignature } from '../../src/crypto/signature.ts'
import { concat, equalBytes, toHex, utf8 } from '../../src/encoding/bytes.ts'
import { decodeCanonical, encodeCanonical } from '../../src/encoding/cbor.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { sha256 } from '../../src/encoding/hash.ts'
import { merkleProof, merkleRoot, verifyMerkleProof } from '../../src/encoding/merkle.ts'
import { joinFhir, splitFhir } from '../../src/fhir/bundle.ts'
import { parseJson } from '../../src/fhir/json-scan.ts'
import { storageReceiptCodec } from '../../src/fragments/formats.ts'
import { FragmentIndex } from '../../src/fragments/fragment-index.ts'
import { certificateCodec, certificatePower, verifyCertificate } from '../../src/ledger/certificate.ts'
import { decodePlace, openRecord, sealRecord } from '../../src/ledger/chain-records.ts'
import { evidenceCodec, verifyEvidence } from '../../src/ledger/evidence.ts'
import { headerCodec, headerHash } from '../../src/ledger/header.ts'
import { prefixProofCodec, proveKey, provePrefix, stateProofCodec, verifyKey, verifyPrefix } from '../../src/ledger/state-proof.ts'
import { StateTree } from '../../src/ledger/state-tree.ts'
import type { KeyValueStore } from '../../src/ledger/store.ts'
import { createTransaction, decodeTransaction, hasSignatureShape, verifyTransaction } from '../../src/ledger/transaction.ts'
import { encodeFrame, FrameDecoder } from '../../src/network/frame-decoder.ts'
import { encodeRefusal, readReply } from '../../src/network/reply.ts'
import { memoryFile } from '../consensus/memory-file.ts'
import { chainId, genesis, headerOn, testKeys, validatorSet } from '../consensus/network.ts'

export interface Target {
  room: string
  name: string
  samples: readonly Uint8Array[]
  /** Reads the bytes; throws where they, or what they say, are wrong. */
  read(bytes: Uint8Array): void
  /** Codes of errors that may be thrown; `malformed` always may. */
  codes?: readonly string[]
  /** Of a hundred inputs as many as this go here; 100 where nothing is given. Slow ones, such as signatures, take fewer. */
  share?: number
}

const keys = testKeys(4)
const set = validatorSet(keys)
const tip = genesis(set)
const header = headerOn(tip, keys[0]!.publicKey, tip.header.time + 1, [])
const hash = headerHash(header)
const signature = new Uint8Array(64)
const certificate = {
  height: 1,
  round: 0,
  block: hash,
  signatures: keys.slice(0, 3).map(({ publicKey }) => ({ validator: publicKey, signature })),
}

function must(holds: boolean, sentence: string): void {
  if (!holds) throw new Error(sentence)
}

function walSample(): Uint8Array {
  const file = memoryFile(new Uint8Array(0))
  const log = new WriteAheadLog(file)
  log.append(walEntryCodec.encode({ type: 'height', value: { height: 1, parent: tip.hash, silentThrough: -1 } }))
  log.append(walEntryCodec.encode({ type: 'input', value: { type: 'timeout', value: { kind: 'propose', height: 1, round: 0 } } }))
  log.append(walEntryCodec.encode({ type: 'body', value: { digest: tip.hash, bytes: new Uint8Array(50) } }))
  return file.read(file.size)
}

function guardSample(): Uint8Array {
  const file = memoryFile(new Uint8Array(0))
  SigningGuard.open(file)
  return file.read(file.size)
}

/** A key-value store that answers one value for every key. */
function storeOf(value: Uint8Array): KeyValueStore {
  return { getSync: () => value } as unknown as KeyValueStore
}

const tree = StateTree.empty().apply(Array.from({ length: 40 }, (_, i) => ({ key: sha256(Uint8Array.of(i)), value: Uint8Array.of(1, i) })))
const key = sha256(Uint8Array.of(3))
const absent = sha256(Uint8Array.of(200))
const leaves = Array.from({ length: 7 }, (_, i) => sha256(Uint8Array.of(i)))
const transaction = createTransaction(
  {
    chainId,
    from: { kind: 'account', id: sha256(Uint8Array.of(1)) },
    validUntil: 1_800_000_000_000,
    nonce: new Uint8Array(16),
    contract: 'records',
    action: 'anchor',
    body: Uint8Array.of(0x80),
    sponsor: null,
  },
  signingKeyFromSeed(sha256(Uint8Array.of(5))),
)
const bundle = utf8(
  '{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Observation","id":"a","valueQuantity":{"value":1.50}}},{"fullUrl":"urn:x","resource":{"resourceType":"Patient","id":"\\u00e4"}}]}',
)
const split = splitFhir(bundle)

/** Codes that people copy: the bytes are the text after its prefix, as base64url and as they are. */
function code(name: string, prefix: string, sample: string, decode: (text: string) => string, codes: string[]): Target {
  const inner = fromBase64Url(sample.slice(prefix.length))
  return {
    room: 'client',
    name,
    samples: [inner],
    read: bytes => {
      const text = prefix + toBase64Url(bytes)
      // A code that is accepted means the same when it is written again.
      must(decode(text) === text, 'a code with two forms')
      decode(String.fromCharCode(...bytes.subarray(0, 500)))
    },
    codes,
  }
}

const sealingKey = sealingKeyFromSeed(sha256(Uint8Array.of(4))).publicKey

/** A request to pair, by a device that will keep `hash` as its seed until the answer comes. */
const pairing = pairingRequest(hash, 0)
const accessEvidence = encodeEvidence({
  version: 1,
  chainId,
  folder: key,
  proofs: [{ keys: [key], answer: new Uint8Array(40) }],
  entries: [new Uint8Array(90)],
  receipts: [{ receipt: new Uint8Array(200), signature }],
  openings: [new Uint8Array(100)],
  headers: [new Uint8Array(50)],
  silent: [{ custodian: key, code: 'unreachable' }],
  time: 1_800_000_000_000,
})
/** A guardian's share, as its file holds it after the prefix. */
const guardianShare = encodeCanonical([1, [hash, 2, 2, [hash, hash], hash], 1, 'Bela', new Uint8Array(33), 'epione-kit:'])

export const TARGETS: readonly Target[] = [
  {
    room: 'client',
    name: 'access evidence',
    samples: [accessEvidence],
    read: bytes => {
      must(equalBytes(encodeEvidence(decodeEvidence(bytes)), bytes), 'two encodings of one file')
    },
    codes: ['bad-evidence'],
  },
  {
    room: 'encoding',
    name: 'canonical CBOR',
    samples: [encodeCanonical([1, -1, null, true, 'text', new Uint8Array(70), [[], [2 ** 40]]]), encodeCanonical('x'.repeat(30))],
    read: bytes => {
      must(equalBytes(encodeCanonical(decodeCanonical(bytes, { maxBytes: 1 << 20 })), bytes), 'two encodings of one value')
    },
  },
  {
    room: 'encoding',
    name: 'Merkle proof',
    samples: [concat(...merkleProof(leaves, [2])), concat(...merkleProof(leaves, [6]))],
    read: bytes => {
      const proof = Array.from({ length: Math.ceil(bytes.length / 32) }, (_, i) => bytes.subarray(32 * i, 32 * i + 32))
      const truth = merkleProof(leaves, [2])
      const same = proof.length === truth.length && proof.every((part, i) => equalBytes(part, truth[i]!))
      must(verifyMerkleProof(merkleRoot(leaves), 7, 2, leaves[2]!, proof) === same, 'another proof of the same leaf')
    },
  },
  {
    room: 'network',
    name: 'frames',
    samples: [concat(encodeFrame(Uint8Array.of(1, 2, 3)), encodeFrame(new Uint8Array(300)), encodeFrame(new Uint8Array(0)))],
    read: bytes => {
      const decoder = new FrameDecoder(512)
      const frames: Uint8Array[] = []
      for (let at = 0; at < bytes.length; at += 97) {
        decoder.push(bytes.subarray(at, at + 97))
        for (let frame = decoder.next(); frame !== undefined; frame = decoder.next()) frames.push(frame)
        must(decoder.buffered <= 512 + 5 + 97, 'the decoder holds more than a frame and a chunk')
      }
      const read = concat(...frames.map(frame => encodeFrame(frame)))
      must(equalBytes(read, bytes.subarray(0, read.length)), 'frames that are not what was sent')
    },
  },
  {
    room: 'network',
    name: 'reply',
    samples: [Uint8Array.of(0, 1, 2), encodeRefusal(new EpioneError('not-found', 'There is no such thing.'))],
    read: bytes => {
      try {
        readReply(bytes)
      } catch (error) {
        // A refusal carries the peer's own code, of a fixed form.
        if (!(error instanceof EpioneError) || !/^[a-z-]{1,48}$/.test(error.code) || error.message.length > 300)
          throw new Error('refusal', { cause: error })
      }
    },
  },
  {
    room: 'ledger',
    name: 'transaction',
    samples: [transaction.bytes],
    read: bytes => {
      const decoded = decodeTransaction(bytes)
      hasSignatureShape(decoded)
      if (verifyTransaction(decoded)) must(equalBytes(decoded.signed, transaction.signed), 'a signature for other bytes')
    },
    share: 30,
  },
  {
    room: 'ledger',
    name: 'certificate of a header',
    samples: [certificateCodec.encode(certificate)],
    read: bytes => {
      const decoded = certificateCodec.decode(bytes)
      certificatePower(chainId, decoded, set, { skipUnknown: true })
      verifyCertificate(header, decoded, set)
      throw new Error('a certificate without signatures was taken')
    },
    codes: ['invalid-certificate'],
    share: 20,
  },
  {
    room: 'ledger',
    name: 'proof of a key',
    samples: [stateProofCodec.encode(proveKey(tree, key)), stateProofCodec.encode(proveKey(tree, absent))],
    read: bytes => {
      const proof = stateProofCodec.decode(bytes)
      let lies = 0
      for (const [of, truth] of [
        [key, Uint8Array.of(1, 3)],
        [absent, null],
      ] as const) {
        try {
          const shown = verifyKey(tree.root, of, proof)
          if (truth === null ? shown !== null : shown === null || !equalBytes(shown, truth)) lies++
        } catch (error) {
          if (!(error instanceof EpioneError) || error.code !== 'invalid-proof') throw error
        }
      }
      must(lies === 0, 'a proof of what is not so')
    },
  },
  {
    room: 'ledger',
    name: 'proof of a prefix',
    samples: [
      prefixProofCodec.encode(provePrefix(tree, key.subarray(0, 1), { limit: 10 })),
      prefixProofCodec.encode(provePrefix(tree, new Uint8Array(0), { limit: 50 })),
    ],
    read: bytes => {
      const { entries } = verifyPrefix(tree.root, key.subarray(0, 1), prefixProofCodec.decode(bytes))
      must(
        entries.every(([shown]) => shown[0] === key[0]),
        'an entry from elsewhere',
      )
    },
    codes: ['invalid-proof'],
  },
  {
    room: 'ledger',
    name: 'stored record',
    samples: [sealRecord(key, headerCodec.encode(header))],
    read: bytes => {
      headerCodec.decode(openRecord(key, bytes))
      decodePlace(bytes)
    },
  },
  {
    room: 'consensus',
    name: 'evidence',
    samples: [
      evidenceCodec.encode({
        type: 'votes',
        value: {
          first: { kind: 'prevote', height: 1, round: 0, block: null, validator: keys[0]!.publicKey, signature },
          second: { kind: 'prevote', height: 1, round: 0, block: hash, validator: keys[0]!.publicKey, signature },
        },
      }),
    ],
    read: bytes => must(!verifyEvidence(chainId, evidenceCodec.decode(bytes), set), 'evidence without signatures was taken'),
    share: 30,
  },
  {
    room: 'consensus',
    name: 'write-ahead log',
    samples: [walSample()],
    read: bytes => {
      for (const payload of new WriteAheadLog(memoryFile(bytes)).replay()) walEntryCodec.decode(payload)
    },
    codes: ['wal-corrupt'],
  },
  {
    room: 'consensus',
    name: 'signing guard',
    samples: [guardSample()],
    read: bytes => must(SigningGuard.open(memoryFile(bytes)).last.signature === null, 'a signature that nobody gave'),
    codes: ['guard-corrupt'],
    share: 20,
  },
  ...(['folders.created', 'records.anchored', 'consents.granted', 'access.opened', 'members.voted'] as const).map(
    (name: EventName): Target => ({
      room: 'contracts',
      name: `event ${name}`,
      samples: [],
      read: bytes => {
        decodeEventData(name, bytes)
      },
      share: 10,
    }),
  ),
  {
    room: 'fragments',
    name: 'fragment index',
    samples: [encodeCanonical([3, 1000, hash, true]), encodeCanonical([true, 0])],
    read: bytes => {
      new FragmentIndex(storeOf(bytes)).fragment(hash)
      new FragmentIndex(storeOf(bytes)).submission(hash)
    },
    share: 30,
  },
  code(
    'card',
    'epione-card:',
    encodeCard({ version: 1, chainId, organisation: hash, name: 'A. Person', role: 'physician', signingKey: hash, sealingKey }),
    text => encodeCard(decodeCard(text)),
    ['bad-card'],
  ),
  code(
    'receipts',
    'epione-receipts:',
    encodeReceipts({
      version: 1,
      chainId,
      body: anchorBodyCodec.encode({ folder: hash, epoch: 0, submissionRoot: hash, sizeBucket: 9, n: 4, k: 2, memberHeight: 1 }),
      receipts: [
        {
          receipt: storageReceiptCodec.encode({ chainId, submissionRoot: hash, custodian: hash, index: 1, bytes: 9, time: 1 }),
          signature: new Uint8Array(64),
        },
      ],
      transaction: hash,
      height: 2,
      evidence: null,
    }),
    text => encodeReceipts(decodeReceipts(text)),
    ['bad-receipts'],
  ),
  code(
    'emergency card',
    'epione-emergency:',
    encodeEmergencyCard({ version: 1, chainId, folder: hash, nodes: ['/ip4/127.0.0.1/tcp/7700'] }),
    text => encodeEmergencyCard(decodeEmergencyCard(text)),
    ['bad-emergency-card'],
  ),
  code(
    'checkpoint',
    'epione-checkpoint:',
    encodeCheckpoint({ chainId, height: 7, headerHash: hash }),
    text => encodeCheckpoint(decodeCheckpoint(text)),
    ['bad-checkpoint'],
  ),
  code(
    'guardian share',
    SHARE,
    SHARE + toBase64Url(guardianShare),
    text => {
      decodeShareText(text)
      return text
    },
    ['bad-guardian-share'],
  ),
  code(
    'delegate offer',
    DELEGATE_OFFER,
    encodeDelegateOffer({ version: 1, chainId, name: 'A. Mother', sealingKey, keys: [hash, hash] }),
    text => encodeDelegateOffer(decodeDelegateOffer(text)),
    ['bad-delegate-offer'],
  ),
  code(
    'recovery kit',
    KIT,
    encodeKit({ seed: hash, recoveryKeyHashes: [] }, hash),
    text => {
      openKit(text, hash)
      return text
    },
    ['bad-kit', 'unsealing-failed'],
  ),
  code(
    'share',
    'epione-share:',
    encodeShare({ version: 1, chainId, folder: hash, consent: hash }),
    text => encodeShare(decodeShare(text)),
    ['bad-share'],
  ),
  code(
    'shares',
    'epione-share:',
    encodeShares([
      { version: 1, chainId, folder: hash, consent: hash },
      { version: 1, chainId, folder: chainId, consent: hash },
    ]),
    text => encodeShares(decodeShares(text)),
    ['bad-share'],
  ),
  code(
    'enrolment',
    'epione-enrolment:',
    encodeEnrolment({
      version: 1,
      chainId,
      organisation: hash,
      folders: [{ ownerKeyHash: hash, recoveryKeyHash: hash, sealingKey, label: 'normal', labelSalt: hash }],
    }),
    text => encodeEnrolment(decodeEnrolment(text)),
    ['bad-enrolment'],
  ),
  code(
    'hand-over',
    'epione-hand-over:',
    encodeHandOver({ version: 1, chainId, folder: hash, ownerKeyHash: hash, sealed: new Uint8Array(1200) }),
    text => encodeHandOver(decodeHandOver(text)),
    ['bad-hand-over'],
  ),
  {
    room: 'client',
    name: 'vault',
    samples: [await sealVault(hash, { passkey: { credential: hash, salt: hash, output: hash } })],
    read: bytes => void vaultPasskeys(bytes),
    codes: ['vault-damaged'],
    share: 10,
  },
  {
    room: 'client',
    name: 'pairing request',
    samples: [fromBase64Url(pairing.slice('epione-pair:'.length))],
    read: bytes => answerPairing(`epione-pair:${toBase64Url(bytes)}`, { seed: hash, recoveryKeyHashes: [hash], state: null }, 1000),
    codes: ['bad-pairing', 'expired'],
    share: 10,
  },
  {
    room: 'client',
    name: 'pairing answer',
    samples: [fromBase64Url(answerPairing(pairing, { seed: hash, recoveryKeyHashes: [], state: null }, 0).slice('epione-wallet:'.length))],
    read: bytes => openPairing(hash, pairing, `epione-wallet:${toBase64Url(bytes)}`),
    codes: ['bad-pairing'],
    share: 10,
  },
  {
    room: 'crypto',
    name: 'signature',
    samples: [concat(keys[0]!.publicKey, keys[0]!.sign(hash))],
    read: bytes => {
      const good = verifySignature(bytes.subarray(0, 32), hash, bytes.subarray(32))
      must(!good || toHex(bytes.subarray(0, 32)) === toHex(keys[0]!.publicKey), 'a signature of another key')
    },
    share: 10,
  },
  {
    room: 'crypto',
    name: 'sealed message',
    samples: [sealingKey],
    read: bytes => {
      const opened = sealingKeyFromSeed(sha256(Uint8Array.of(4))).open(bytes, { info: hash, aad: hash })
      must(opened.length < 0, 'a message that nobody sealed was opened')
    },
    codes: ['unsealing-failed', 'unknown-suite'],
    share: 2,
  },
  {
    room: 'fhir',
    name: 'JSON',
    samples: [bundle, utf8('{"a":[1.50,-0e3,"\\ud83d\\ude00",true,null,{}],"b":{"c":[[[[]]]]}}')],
    read: bytes => {
      parseJson(bytes)
    },
    codes: ['not-json', 'too-large'],
  },
  {
    room: 'fhir',
    name: 'document',
    samples: [bundle],
    read: bytes => {
      const { resources, manifest } = splitFhir(bytes)
      if (manifest !== undefined)
        must(
          equalBytes(
            joinFhir(
              manifest,
              resources.map(part => part.bytes),
            ),
            bytes,
          ),
          'a Bundle that does not come back',
        )
    },
    codes: ['not-json', 'too-large', 'not-fhir'],
  },
  {
    room: 'fhir',
    name: 'bundle manifest',
    samples: split.manifest === undefined ? [] : [split.manifest],
    read: bytes => {
      must(
        equalBytes(
          joinFhir(
            bytes,
            split.resources.map(part => part.bytes),
          ),
          bundle,
        ),
        'another document of the same parts',
      )
    },
  },
]
