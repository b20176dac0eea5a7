/** Secrets at rest: every way in, and no other. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { addLock, MAX_VAULT_SECRETS, openVault, relockVault, sealVault, vaultPasskeys } from '../../src/client/vault.ts'
import { toHex, utf8 } from '../../src/encoding/bytes.ts'
import { property } from '../encoding/seeded.ts'
import { rejectsCode } from '../encoding/throws.ts'

const test = suite('vault')
const PASSPHRASE = { passphrase: 'correct horse battery staple' }
const passkey = (output: Uint8Array, credential = utf8('credential')) => ({
  passkey: { credential, salt: new Uint8Array(32).fill(5), output },
})

test(
  'a passphrase opens it, another does not, and nothing of the secrets is in the bytes',
  property(async random => {
    const secrets = random.bytes(64)
    const vault = await sealVault(secrets, PASSPHRASE)
    assert.equal(await openVault(vault, PASSPHRASE), secrets)
    await rejectsCode(openVault(vault, { passphrase: 'correct horse battery stable' }), 'wrong-passphrase')
    const text = toHex(vault)
    for (let at = 0; at + 8 <= secrets.length; at++) assert.not.ok(text.includes(toHex(secrets.subarray(at, at + 8))))
    // The same passphrase in another composition of its characters.
    const composed = await sealVault(secrets, { passphrase: 'caf\u00e9' })
    assert.equal(await openVault(composed, { passphrase: 'cafe\u0301' }), secrets)
  }),
)

test(
  'a passkey is one more way in; a new lock shuts out those of before',
  property(async random => {
    const secrets = random.bytes(32)
    const key = passkey(random.bytes(32))
    const vault = await addLock(await sealVault(secrets, PASSPHRASE), PASSPHRASE, key)
    assert.equal(await openVault(vault, key), secrets)
    assert.equal(await openVault(vault, PASSPHRASE), secrets)
    assert.equal(vaultPasskeys(vault), [{ credential: key.passkey.credential, salt: key.passkey.salt }])
    await rejectsCode(openVault(vault, passkey(random.bytes(32))), 'passkey-unknown')
    await rejectsCode(openVault(vault, passkey(key.passkey.output, utf8('another'))), 'passkey-unknown')
    await rejectsCode(openVault(vault, passkey(new Uint8Array(0))), 'passkey-unsupported')
    await rejectsCode(addLock(vault, { passphrase: 'wrong' }, PASSPHRASE), 'wrong-passphrase')
    const again = await relockVault(vault, key, { passphrase: 'new' })
    assert.equal(await openVault(again, { passphrase: 'new' }), secrets)
    await rejectsCode(openVault(again, PASSPHRASE), 'wrong-passphrase')
    await rejectsCode(openVault(again, key), 'passkey-unknown')
  }),
)

test(
  'what was changed does not open, whichever byte it is',
  property(async random => {
    const key = passkey(random.bytes(32))
    const vault = await sealVault(random.bytes(32), key)
    for (let at = 0; at < vault.length; at += 3) {
      const changed = vault.slice()
      changed[at] = (changed[at] as number) ^ (1 << random.below(8))
      const opened = await openVault(changed, key).catch((error: { code: string }) => error.code)
      assert.ok(opened === 'vault-damaged' || opened === 'passkey-unknown', `byte ${at}: ${String(opened)}`)
    }
    await rejectsCode(openVault(new Uint8Array(0), key), 'vault-damaged')
  }),
)

test('bounds', async () => {
  await rejectsCode(sealVault(new Uint8Array(MAX_VAULT_SECRETS + 1), PASSPHRASE), 'too-large')
  await rejectsCode(sealVault(new Uint8Array(1), { passphrase: '' }), 'passphrase-empty')
  const key = passkey(new Uint8Array(32).fill(1))
  let vault = await sealVault(new Uint8Array(1), key)
  for (let i = 1; i < 8; i++) vault = await addLock(vault, key, passkey(new Uint8Array(32).fill(i), Uint8Array.of(i)))
  await rejectsCode(addLock(vault, key, PASSPHRASE), 'too-many-locks')
})

test.run()
