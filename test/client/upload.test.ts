/** A custodian's receipt counts only where it says what it must. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { LightPeer, MemberInfo } from '../../src/client/light-peer.ts'
import type { SealedVersion } from '../../src/client/sealed-version.ts'
import { Upload } from '../../src/client/upload.ts'
import { errorCode } from '../../src/encoding/errors.ts'
import { storageReceiptBytes, storageReceiptCodec } from '../../src/fragments/formats.ts'
import { fragmentLength } from '../../src/fragments/layout.ts'
import { uploadReplyCodec } from '../../src/network/fragment-messages.ts'
import { nodeKeys, seedOf } from '../node/cluster.ts'

const test = suite('client/upload')
const custodian = nodeKeys(2)
const chainId = seedOf('chain')
const root = seedOf('root')
const SIZE = 5000
const right = { chainId, submissionRoot: root, custodian: custodian.account, index: 1, bytes: fragmentLength(SIZE, 4, 2), time: 1 }

/** What becomes of an upload that has nothing left to send, where the custodian signs this. */
async function outcome(changes: Partial<typeof right>): Promise<string> {
  const receipt = { ...right, ...changes }
  const value = { receipt: storageReceiptCodec.encode(receipt), signature: custodian.signing.sign(storageReceiptBytes(receipt)) }
  const channel = {
    peer: custodian.account,
    send: async () => undefined,
    close: async () => undefined,
    abort: () => undefined,
    async *frames() {
      yield uploadReplyCodec.encode({ type: 'ready', value: { version: 1, chunk: 0 } })
      yield uploadReplyCodec.encode({ type: 'receipt', value })
    },
  }
  const peer = { chainId, parameters: { n: 4, k: 2 }, nodes: { openStream: async () => channel } } as unknown as LightPeer
  const member = { id: custodian.account, organisation: { networkKey: seedOf('network'), signingKey: custodian.signing.publicKey } }
  const start = { ticket: new Uint8Array(10), signature: new Uint8Array(64), token: seedOf('token'), submissionRoot: root }
  const upload = new Upload(peer, member as unknown as MemberInfo, 1, start)
  const leaf = { recordId: root, version: 1, dispersalRoot: root, commitment: root, sealedKeyHash: root, classCommitment: root }
  const meta = { leaf, sealedKey: new Uint8Array(80), salt: root, class: 'laboratory', dataTime: null, size: SIZE }
  await upload.begin([{ meta } as unknown as SealedVersion], {})
  await upload.finish()
  return upload.receipt === undefined ? errorCode(upload.error) : 'stored'
}

test('a receipt of another chain, submission, custodian, index or of fewer bytes is none', async () => {
  assert.is(await outcome({}), 'stored')
  assert.is(await outcome({ chainId: seedOf('another chain') }), 'malformed')
  assert.is(await outcome({ submissionRoot: seedOf('another root') }), 'malformed')
  assert.is(await outcome({ custodian: nodeKeys(1).account }), 'malformed')
  assert.is(await outcome({ index: 2 }), 'malformed')
  assert.is(await outcome({ bytes: right.bytes - 1 }), 'malformed')
})

test.run()
