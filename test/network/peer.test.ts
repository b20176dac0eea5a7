import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { errorCode } from '../../src/encoding/errors.ts'
import { networkKeyOf, parsePeerAddress, peerIdOf, peerOfAddress } from '../../src/network/peer.ts'

const test = suite('peer')
const ID = '12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5'

test('a peer id is its network key', () => {
  const peer = peerOfAddress(parsePeerAddress(`/ip4/127.0.0.1/tcp/7821/p2p/${ID}`))
  assert.ok(peer)
  const key = peer === undefined ? undefined : networkKeyOf(peer)
  assert.is(key?.length, 32)
  assert.not(Buffer.isBuffer(key))
  assert.is(peerIdOf(key ?? new Uint8Array()).toString(), ID)
})

test('keys of other kinds have no network key, and 31 bytes are no key', () => {
  try {
    peerIdOf(new Uint8Array(31))
    assert.unreachable()
  } catch (error) {
    assert.is(errorCode(error), 'bad-key')
  }
})

test('addresses are read strictly', () => {
  for (const text of ['/ip4/127.0.0.1/tcp/7821', '/dns4/a.example/tcp/443/tls/ws', `/ip6/::1/tcp/1/p2p/${ID}`]) {
    assert.is(parsePeerAddress(text).toString(), text)
  }
  const rsa = 'QmaCpDMGvV2BGHeYERUEnRQAwe3N8SzbUtfsmvsqQLuvuJ'
  for (const text of [
    '',
    'localhost:7821',
    '/ip4/300.1.1.1/tcp/1',
    '/ip4/127.0.0.1/tcp/x',
    '/',
    `/p2p/${rsa}`,
    `/p2p/x`,
    `/dns4/${'a'.repeat(600)}`,
  ]) {
    try {
      parsePeerAddress(text)
      assert.unreachable(`accepted ${text.slice(0, 40)}`)
    } catch (error) {
      assert.is(errorCode(error), 'bad-address', text.slice(0, 40))
    }
  }
})

test.run()
