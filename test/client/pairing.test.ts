/** Pairing of devices: only who asked can open the answer, and who comes between shows another number. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { answerPairing, checkNumber, openPairing, pairingRequest } from '../../src/client/pairing.ts'
import { throwsCode } from '../encoding/throws.ts'
import { seedOf, walletOf } from '../node/cluster.ts'

const test = suite('pairing of devices')
const NOW = 1_700_000_000_000
const wallet = { ...walletOf('patient'), state: { chainId: seedOf('chain'), nextIndex: 7 } }

test('the new device gets all of the wallet and what was remembered of its use', () => {
  const request = pairingRequest(seedOf('once'), NOW)
  assert.equal(openPairing(seedOf('once'), request, answerPairing(request, wallet, NOW + 1000)), wallet)
  const unused = { ...wallet, state: null }
  assert.equal(openPairing(seedOf('once'), request, answerPairing(request, unused, NOW)), unused)
})

test('another device, another request, an old one and other codes are refused', () => {
  const request = pairingRequest(seedOf('once'), NOW)
  const answer = answerPairing(request, wallet, NOW)
  throwsCode(() => openPairing(seedOf('another'), request, answer), 'bad-pairing')
  throwsCode(() => openPairing(seedOf('once'), pairingRequest(seedOf('once'), NOW + 1), answer), 'bad-pairing')
  throwsCode(() => openPairing(seedOf('once'), request, request), 'bad-pairing')
  throwsCode(() => answerPairing(answer, wallet, NOW), 'bad-pairing')
  throwsCode(() => answerPairing(request, wallet, NOW + 11 * 60_000), 'expired')
  throwsCode(() => answerPairing(request, wallet, NOW - 11 * 60_000), 'expired')
})

test('the number is that of the code, and another of another', async () => {
  const request = pairingRequest(seedOf('once'), NOW)
  const number = await checkNumber(request)
  assert.match(number, /^\d{3} \d{3} \d{3}$/)
  assert.is(await checkNumber(request), number)
  assert.is.not(await checkNumber(pairingRequest(seedOf('between'), NOW)), number)
})

test.run()
