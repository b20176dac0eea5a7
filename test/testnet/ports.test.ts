import { createServer, type Server } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type EpioneError, errorCode } from '../../src/encoding/errors.ts'
import { assertFreePorts, busyPort, findBasePort, portsOf } from '../../testnet/launcher/ports.ts'

const test = suite('testnet ports')

function listen(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve(server))
  })
}

test('a free range lies below what systems hand out, and a taken port of it is named', async () => {
  const base = await findBasePort(4)
  assert.ok(base > 1024 && portsOf(base, 4).ws < 32_768, String(base))
  assert.is(await busyPort(base, [1, 2, 3, 4]), null)
  const server = await listen(portsOf(base, 3).ws)
  try {
    assert.equal(await busyPort(base, [1, 2, 3, 4]), { port: base + 31, number: 3 })
    assert.is(await busyPort(base, [1, 2, 4]), null, 'only the ports of these nodes count')
    await assertFreePorts(base, [1, 2, 3, 4])
    assert.unreachable()
  } catch (error) {
    assert.is(errorCode(error), 'port-in-use')
    assert.match((error as EpioneError).message, `port ${base + 31}, which node3 would listen at`)
    assert.match((error as EpioneError).message, '--base-port')
  } finally {
    server.close()
  }
})

test.run()
