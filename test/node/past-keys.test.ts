import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { consentId, expiryBucket, grantBodyCodec, revokeBodyCodec } from '../../src/contracts/consents-formats.ts'
import { advanceFolderCodec, createFolderCodec, folderId, labelCommitment } from '../../src/contracts/folders-formats.ts'
import { folderSealingKey, ownerKey, ownerKeyHash } from '../../src/crypto/wallet.ts'
import { pastKeysHash } from '../../src/fragments/past-keys.ts'
import { countersign, createTransaction } from '../../src/ledger/transaction.ts'
import { PastKeys } from '../../src/node/custodian/past-keys.ts'
import { bucketOf, Keyring } from '../../src/node/keyring.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { genesisOf, nodeKeys, seedOf, walletOf } from './cluster.ts'
import { nextBlock, openTestChain, temporary } from './ledger-fixture.ts'

const test = suite('past keys at a custodian')
const HOUR = 3_600_000
const { seed } = walletOf('patient')
const owner = ownerKey(seed, 0)
const member = nodeKeys(0)

async function world(dir: string) {
  const opened = await openTestChain(join(dir, 'chain'), genesisOf())
  const { chain, store: all } = opened
  const store = all.sublevel('folders')
  const keyring = await Keyring.open(join(dir, 'keyring.json'), seedOf('master'))
  const clock = { now: chain.tip.header.time + 2000 }
  const folder = folderId(chain.chainId, ownerKeyHash(owner.publicKey))
  let nonce = 0
  const act = async (kind: 'account' | 'folder', action: string, body: Uint8Array, sponsored = false): Promise<void> => {
    const [contract, name] = action.split('.') as [string, string]
    const content = {
      chainId: chain.chainId,
      from: { kind, id: kind === 'account' ? member.account : folder },
      contract,
      action: name,
      body,
      sponsor: sponsored ? member.account : null,
      nonce: seedOf('nonce', nonce++).slice(0, 16),
      validUntil: chain.tip.header.time + HOUR / 2,
    }
    const transaction = createTransaction(content, kind === 'account' ? member.signing : owner)
    await chain.accept(nextBlock(chain, [sponsored ? countersign(transaction, member.signing) : transaction]))
  }
  await act(
    'account',
    'folders.create',
    createFolderCodec.encode({
      ownerKeyHash: ownerKeyHash(owner.publicKey),
      recoveryKeyHash: seedOf('recovery'),
      sealingKey: folderSealingKey(seed, 0, 0).publicKey,
      labelCommitment: labelCommitment(seedOf('salt'), 'normal'),
      policy: 0,
    }),
  )
  return {
    folder,
    clock,
    keyring,
    past: new PastKeys({ chain, keyring, store, now: () => clock.now }),
    act,
    advance: async (epoch: number, sealed: Uint8Array) =>
      await act(
        'folder',
        'folders.advance',
        advanceFolderCodec.encode({
          epoch,
          sealingKey: folderSealingKey(seed, 0, epoch + 1).publicKey,
          previousKeyHash: pastKeysHash(sealed),
          revoke: [],
          rewraps: [],
        }),
      ),
    kept: async () => {
      let count = 0
      for await (const _ of store.iterator({})) count++
      return count
    },
    [Symbol.asyncDispose]: async () => await opened[Symbol.asyncDispose](),
  }
}

const blob = (name: string): Uint8Array => seedOf(name)

test('they are taken for the next epoch, shown in it, and found by its number', async () => {
  using place = temporary()
  await using at = await world(place.dir)
  const { folder, past } = at
  await past.put(folder, 1, blob('a'))
  await past.put(folder, 1, blob('a'))
  assert.is(await at.kept(), 1, 'the same again')
  await at.advance(0, blob('a'))
  assert.equal(await past.get(folder, 1), blob('a'))
  assert.equal([await past.get(folder, 0), await past.get(folder, 2), await past.get(seedOf('other'), 1)], [null, null, null])
  await past.put(folder, 1, blob('a'))
  await rejectsCode(past.put(folder, 1, blob('other')), 'stale-epoch')
  await rejectsCode(past.put(folder, 3, blob('a')), 'stale-epoch')
  await rejectsCode(past.put(seedOf('other'), 1, blob('a')), 'not-found')
  await rejectsCode(past.put(folder, 2, new Uint8Array(2 * 32 + 2049)), 'bad-keys')
})

test('a custodian that was away takes them late, and shows none but those of the ledger', async () => {
  using place = temporary()
  await using at = await world(place.dir)
  const { folder, past } = at
  await past.put(folder, 1, blob('of the device that lost'))
  await at.advance(0, blob('a'))
  assert.is(await past.get(folder, 1), null)
  await past.put(folder, 1, blob('a'))
  assert.equal(await past.get(folder, 1), blob('a'))
  assert.is(await at.kept(), 1, 'what lost is gone')
})

test('few wait at once, and what waits in vain goes after an hour', async () => {
  using place = temporary()
  await using at = await world(place.dir)
  const { folder, past, clock } = at
  for (const name of ['a', 'b', 'c', 'd']) await past.put(folder, 1, blob(name))
  await rejectsCode(past.put(folder, 1, blob('e')), 'busy')
  clock.now += HOUR + 1
  await past.put(folder, 1, blob('e'))
  assert.is(await at.kept(), 1)
  clock.now += HOUR + 1
  await past.dropExpired()
  assert.is(await at.kept(), 0)
})

test('those of an epoch that has passed stay as long as a consent in force does', async () => {
  using place = temporary()
  await using at = await world(place.dir)
  const { folder, past, act } = at
  await past.put(folder, 1, blob('a'))
  await at.advance(0, blob('a'))
  const [commitment, wrapHash] = [seedOf('commitment'), seedOf('wrap')]
  await act(
    'folder',
    'consents.grant',
    grantBodyCodec.encode({ commitment, wrapHash, epoch: 1, expiry: expiryBucket(Date.now() + 30 * 24 * HOUR) }),
    true,
  )
  await past.put(folder, 2, blob('b'))
  await at.advance(1, blob('b'))
  await past.dropExpired()
  assert.equal([await past.get(folder, 1), await past.get(folder, 2)], [blob('a'), blob('b')])
  await act('folder', 'consents.revoke', revokeBodyCodec.encode({ consent: consentId(folder, commitment) }))
  await past.dropExpired()
  assert.equal([await past.get(folder, 1), await past.get(folder, 2)], [null, blob('b')])
})

test('they stay readable when the key at rest of their folder changes', async () => {
  using place = temporary()
  await using at = await world(place.dir)
  const { folder, past, keyring } = at
  await past.put(folder, 1, blob('a'))
  await at.advance(0, blob('a'))
  await keyring.destroy(bucketOf(folder), async () => await past.reseal(bucketOf(folder)))
  assert.equal(await past.get(folder, 1), blob('a'))
})

test.run()
