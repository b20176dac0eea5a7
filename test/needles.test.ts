/** The search that other tests rely on to find nothing finds what is there. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { property } from './encoding/seeded.ts'
import { needle, Search } from './needles.ts'

test(
  'a search finds bytes raw, in hex, in base64 and in base64url, wherever they begin',
  property(random => {
    for (let i = 0; i < 200; i++) {
      const secret = random.bytes(6 + random.below(60))
      const search = new Search([needle('the secret', secret), needle('another', random.bytes(32))])
      const whole = Buffer.concat([random.bytes(random.below(20)), secret, random.bytes(random.below(20))])
      const hex = whole.toString('hex')
      for (const haystack of [whole, hex, hex.toUpperCase(), whole.toString('base64'), whole.toString('base64url')]) {
        assert.equal(search.in(haystack), ['the secret'])
      }
      secret[0] = (secret[0] as number) ^ 0xff
      assert.equal(new Search([needle('changed', secret)]).in(whole), [])
    }
  }),
)

test('what is too short to mean anything is refused', () => {
  assert.throws(() => needle('a name', 'Otto'), /a name has less than/)
})

test.run()
